# Rewrites and restores senders with Mail::SRS; request and answer are JSON.
#
# Request: {"secrets": [...], "time": seconds, "tasks": [{"forward": address, "domain": ours} or
# {"reverse": address}, ...]}. Answer: for each task an address, or null where Mail::SRS refuses.

use strict;
use warnings;
use JSON::PP;

my $now;
BEGIN { *CORE::GLOBAL::time = sub { defined $now ? $now : CORE::time() } }

eval { require Mail::SRS; 1 } or die "Mail::SRS is missing: apt-get install libmail-srs-perl\n$@";

my $request = decode_json(do { local $/; <STDIN> });
$now = $request->{time};
local $SIG{__WARN__} = sub { };
my $srs = Mail::SRS->new(Secret => $request->{secrets}, HashLength => 8);
my @answers = map {
    my $task = $_;
    scalar eval {
        exists $task->{forward}
            ? $srs->forward($task->{forward}, $task->{domain})
            : $srs->reverse($task->{reverse});
    };
} @{ $request->{tasks} };
print encode_json(\@answers);
