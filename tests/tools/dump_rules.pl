# Prints every rule as SpamAssassin has it after parsing, one JSON object a line. Arguments: stock folder, site folder.
use strict;
use warnings;
use Mail::SpamAssassin;
use JSON::PP;

my ($stock, $site) = @ARGV;
my $spamassassin = Mail::SpamAssassin->new({
    rules_filename => $stock, site_rules_filename => $site, userprefs_filename => '/dev/null',
    local_tests_only => 1, dont_copy_prefs => 1,
});
# Tests and priorities are thrown away once they are compiled: keep a copy.
my (%tests, %priority);
{
    no warnings 'redefine';
    my $original = \&Mail::SpamAssassin::Conf::found_any_rules;
    *Mail::SpamAssassin::Conf::found_any_rules = sub {
        %tests = %{ $_[0]{tests} || {} };
        %priority = %{ $_[0]{priority} || {} };
        $original->(@_);
    };
}
$spamassassin->init(0);
my $conf = $spamassassin->{conf};
my %kinds = (
    8 => 'header', 9 => 'header eval', 10 => 'body', 11 => 'body eval', 12 => 'full', 13 => 'full eval', 14 => 'rawbody',
    15 => 'rawbody eval', 16 => 'uri', 18 => 'meta', 19 => 'rbl eval', 20 => 'empty',
);
my $json = JSON::PP->new->canonical->latin1;
for my $name (sort keys %tests) {
    my $flags = $conf->{tflags}{$name} // '';
    my %operands = map { $_ => 1 } @{ $conf->{meta_dependencies}{$name} || [] };
    print $json->encode({
        name => $name,
        kind => $kinds{ $conf->{test_types}{$name} },
        priority => ($priority{$name} || ($flags =~ /\bnet\b/ ? -100 : 0)) + 0,
        scores => [ map { $conf->{scoreset}[$_]{$name} + 0 } 0 .. 3 ],
        flags => $flags,
        describe => $conf->{descriptions}{$name},
        operands => [ sort keys %operands ],
        shortcircuit => $conf->{shortcircuit}{$name} // 'off',
        captures => $conf->{capture_rules}{$name} ? JSON::PP::true : JSON::PP::false,
        replaced => defined $conf->{test_qrs}{$name} && $conf->{replace_rules}{$name} ? "$conf->{test_qrs}{$name}" : undef,
    }), "\n";
}
