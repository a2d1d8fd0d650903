#!/usr/bin/perl
# Signs mails by DKIM, with Mail::DKIM. Request and answer are those of dkim_sign_all.py, but that it signs neither by
# Ed25519 nor fields that are named.
use strict;
use warnings;
use JSON::PP;
use MIME::Base64;
BEGIN {
    eval { require Mail::DKIM::Signer; require Mail::DKIM::PrivateKey; 1 }
        or die "$@: apt-get install libmail-dkim-perl\n";
}

local $/;
my @fields;
for my $wanted (@{ decode_json(<STDIN>) }) {
    my $pem = join '', grep { !/^-/ } split /^/, $wanted->{key};
    $pem =~ s/\s//g;
    my $signer = Mail::DKIM::Signer->new(
        Algorithm => 'rsa-sha256',
        Method    => "$wanted->{head}/$wanted->{body}",
        Domain    => $wanted->{domain},
        Selector  => $wanted->{selector},
        Key       => Mail::DKIM::PrivateKey->load(Data => $pem),
        (defined $wanted->{identity} ? (Identity => $wanted->{identity}) : ()),
    );
    my $mail = decode_base64($wanted->{mail});
    # In pieces that end anywhere, as from a socket.
    $signer->PRINT($_) for $mail =~ /([^\n]*\n|[^\n]+)/g;
    $signer->CLOSE;
    push @fields, encode_base64($signer->signature->as_string . "\r\n", '');
}
print encode_json(\@fields);
