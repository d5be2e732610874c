//! The control socket in the state folder: `hamgate reload` asks here, and learns what came of it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};

/// Longest request line and answer.
const LINE: u64 = 1024;
const ANSWER: u64 = 1 << 20;

pub fn path(state: &Path) -> PathBuf {
    state.join("control.sock")
}

/// A request to build anew, and where the answer goes: `Ok` with a line, `Err` with the reasons.
pub type Reload = oneshot::Sender<Result<String, String>>;

/// Takes requests until the process ends.
///
/// # Errors
/// The socket cannot be made.
pub fn listen(state: &Path, reloads: mpsc::Sender<Reload>) -> io::Result<()> {
    let path = path(state);
    if UnixStream::connect(&path).is_err() {
        let _ = std::fs::remove_file(&path);
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let reloads = reloads.clone();
            tokio::spawn(tokio::time::timeout(Duration::from_secs(60), answer(stream, reloads)));
        }
    });
    Ok(())
}

async fn answer(stream: tokio::net::UnixStream, reloads: mpsc::Sender<Reload>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    tokio::io::BufReader::new(read.take(LINE)).read_line(&mut line).await?;
    let answer = match line.trim() {
        "reload" => {
            let (told, hear) = oneshot::channel();
            let sent = reloads.send(told).await;
            match (sent, hear.await) {
                (Ok(()), Ok(Ok(line))) => format!("ok\n{line}\n"),
                (Ok(()), Ok(Err(reasons))) => format!("kept\n{reasons}\n"),
                (Err(_), _) | (Ok(()), Err(_)) => "kept\nthe daemon is stopping\n".to_owned(),
            }
        }
        _ => "kept\nunknown request\n".to_owned(),
    };
    write.write_all(answer.as_bytes()).await
}

/// Asks a running daemon to build anew. `Ok(Err(_))`: it keeps the old, for these reasons.
///
/// # Errors
/// No daemon answers there.
pub fn ask_reload(state: &Path) -> io::Result<Result<String, String>> {
    let mut stream = UnixStream::connect(path(state))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(b"reload\n")?;
    let mut reader = BufReader::new(stream.take(ANSWER));
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut rest = String::new();
    reader.read_to_string(&mut rest)?;
    Ok(if first.trim() == "ok" { Ok(rest) } else { Err(rest) })
}
