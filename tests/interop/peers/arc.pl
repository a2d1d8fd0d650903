#!/usr/bin/perl
# Seals and verifies mails by ARC, with Mail::DKIM. Request and answer are those of arc.py.
use strict;
use warnings;
use JSON::PP;
use MIME::Base64;
use Net::DNS;
BEGIN {
    eval { require Mail::DKIM::ARC::Signer; require Mail::DKIM::ARC::Verifier; 1 }
        or die "$@: apt-get install libmail-dkim-perl\n";
}
use Mail::DKIM::PrivateKey;
use Mail::DKIM::TextWrap;

my $request = decode_json(do { local $/; <STDIN> });
my ($records, $seal) = @$request{qw(records seal)};

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

sub answer {
    my ($mail) = @_;
    my $party = $seal ? signer() : Mail::DKIM::ARC::Verifier->new();
    $party->PRINT($_) for $mail =~ /([^\n]*\n|[^\n]+)/g;
    $party->CLOSE;
    print STDERR $party->result_detail, "\n";
    return $party->result unless $seal;
    my $fields = join '', map { "$_\r\n" } $party->as_strings;
    return encode_base64($fields, '');
}

sub signer {
    my $pem = join '', grep { !/^-/ } split /^/, $seal->{key};
    $pem =~ s/\s//g;
    return Mail::DKIM::ARC::Signer->new(
        Algorithm => 'rsa-sha256',
        Chain     => 'ar',
        Domain    => $seal->{domain},
        SrvId     => $seal->{id},
        Selector  => $seal->{selector},
        Key       => Mail::DKIM::PrivateKey->load(Data => $pem),
    );
}

print encode_json([map { answer(decode_base64($_)) } @{ $request->{mails} }]);
