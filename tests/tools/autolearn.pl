#!/usr/bin/perl
# What SpamAssassin learns of messages: autolearn.pl FOLDER STOCK SITE DATABASE PATH...
# A line a message: what its conditions say (spam, ham, no), points in all, of headers, of bodies, of the classifier, the rules
# that force it, and what SpamAssassin reports once it has learned. DATABASE "" learns into FOLDER, another is read.
use strict;
use warnings;
use Mail::SpamAssassin;
my ($folder, $stock, $site, $database, @paths) = @ARGV;
my $base = $database eq '' ? "$folder/bayes" : $database;
# Of a database that is learned meanwhile, no opinion; of one that is there, whatever it says, and it stays as it is.
my ($least, $learns) = $database eq '' ? (1_000_000, 1) : (10, 0);
my $filter = Mail::SpamAssassin->new({ rules_filename => $stock, site_rules_filename => $site, local_tests_only => 1,
    dont_copy_prefs => 1, userprefs_filename => '/dev/null', home_dir_for_helpers => $folder, userstate_dir => $folder,
    post_config_text => "use_bayes 1\nbayes_auto_learn $learns\nbayes_auto_expire 0\nbayes_path $base\n"
        . "bayes_min_ham_num $least\nbayes_min_spam_num $least\n" });
$filter->init(1);
$filter->compile_now(0, 1);
$| = 1;
for my $path (@paths) {
    # A process for each: SpamAssassin 4.0.1 keeps what the first message's patterns captured.
    if (my $child = fork // die) { waitpid $child, 0; next }
    open(my $file, '<:raw', $path) or die $path;
    my $message = $filter->parse(do { local $/; <$file> }, 1);
    my $status = $filter->check($message);
    my $said = $filter->call_plugins('autolearn_discriminator', { permsgstatus => $status });
    my $verdict = !defined $said || !defined $said->[0] ? 'no' : $said->[0] ? 'spam' : 'ham';
    # The plugin Check has learned it at its end.
    my $learned = $status->get_autolearn_status();
    printf "%s\t%.3f\t%.3f\t%.3f\t%.3f\t%s\t%s\n", $verdict, $status->get_autolearn_points(), $status->get_head_only_points(),
        $status->get_body_only_points(), $status->get_learned_points(), $status->get_autolearn_force_names() || '-', $learned;
    close STDOUT;
    require POSIX;
    POSIX::_exit(0);
}
