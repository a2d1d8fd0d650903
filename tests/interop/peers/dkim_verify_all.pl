# Verifies all DKIM signatures of mails, by Mail::DKIM.
#
# Request: {"mails": [base64], "records": {name: TXT}}. Answer: for each mail a list of results such as "pass" and
# "fail", one for each signature from the top. Debian's has no Ed25519: such signatures are "invalid".

use strict;
use warnings;
use JSON::PP;
use MIME::Base64;
use Mail::DKIM::Verifier;
use Net::DNS;

my $request = decode_json(do { local $/; <STDIN> });
my $records = $request->{records};

{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = sub {
        my ($name, $type) = @_;
        my $text = $records->{$name};
        return unless defined $text && $type eq 'TXT';
        # A string of a record holds 255 octets at most (RFC 1035 section 3.3).
        return Net::DNS::RR->new(name => $name, type => 'TXT', txtdata => [$text =~ /(.{1,255})/g]);
    };
}

my @answer;
for my $mail (@{ $request->{mails} }) {
    my $verifier = Mail::DKIM::Verifier->new();
    $verifier->PRINT(decode_base64($mail));
    $verifier->CLOSE;
    push @answer, [map { $_->result } $verifier->signatures];
}
print encode_json(\@answer);
