# Makes an aggregate report as Mail::DMARC sends it, and prints its XML.

use strict;
use warnings;

use Mail::DMARC::Policy;
use Mail::DMARC::Report::Aggregate;
use Mail::DMARC::Report::Aggregate::Record;

my $report = Mail::DMARC::Report::Aggregate->new;
my $metadata = $report->metadata;
$metadata->org_name('Perl & Sons');
$metadata->email('postmaster@perl.example');
$metadata->report_id('1234.example.org');
$metadata->begin(1795305600);
$metadata->end(1795391999);
$report->policy_published(
  Mail::DMARC::Policy->new('v=DMARC1; p=quarantine; rua=mailto:a@example.org'));
$report->policy_published->domain('example.org');

for my $row (['192.0.2.7', 3, 'none', 'pass', 'fail'], ['2001:db8::66', 2, 'quarantine', 'fail', 'fail']) {
  my ($source, $count, $disposition, $dkim, $spf) = @$row;
  my $record = Mail::DMARC::Report::Aggregate::Record->new;
  $record->row->source_ip($source);
  $record->row->count($count);
  $record->row->policy_evaluated->disposition($disposition);
  $record->row->policy_evaluated->dkim($dkim);
  $record->row->policy_evaluated->spf($spf);
  $record->row->policy_evaluated->reason({type => 'mailing_list', comment => 'a <list>'})
    if $disposition eq 'none';
  $record->identifiers->header_from('example.org');
  $record->identifiers->envelope_from('bounces.example.org');
  $record->identifiers->envelope_to('perl.example');
  $record->auth_results->dkim({domain => 'example.org', selector => 's', result => $dkim});
  $record->auth_results->spf({domain => 'bounces.example.org', scope => 'mfrom', result => 'pass'});
  $report->record($record);
}
print $report->as_xml;
