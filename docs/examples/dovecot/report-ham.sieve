# /usr/local/lib/hamgate/report-ham.sieve: a message was moved out of Junk.
require ["vnd.dovecot.pipe", "copy", "imapsieve", "environment", "variables"];

# Spam that is thrown away is no wanted mail.
if environment :is "imap.mailbox" ["Trash", "Deleted Items", "Deleted Messages"] {
    stop;
}
if environment :matches "imap.user" "*" {
    set "user" "${1}";
}
pipe :copy "hamgate-learn" ["ham", "${user}"];
