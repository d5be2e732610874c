# /usr/local/lib/hamgate/report-spam.sieve: a message was moved into Junk.
require ["vnd.dovecot.pipe", "copy", "imapsieve", "environment", "variables"];

if environment :matches "imap.user" "*" {
    set "user" "${1}";
}
pipe :copy "hamgate-learn" ["spam", "${user}"];
