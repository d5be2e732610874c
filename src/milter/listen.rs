//! Listening sockets: bound from addresses with owner and mode, or handed over by systemd; one kind of stream from all of them.

use super::address::{Address, Owner};
use crate::base::Complaint;
use crate::base::Severity;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// What usually sits on a port that a mail filter may be given.
const NEIGHBOURS: &[(u16, &str)] = &[
    (8891, "OpenDKIM"),
    (8893, "OpenDMARC"),
    (783, "spamd of SpamAssassin"),
    (11332, "Rspamd's proxy worker"),
    (11333, "Rspamd"),
    (11334, "Rspamd's controller"),
    (12301, "OpenDKIM"),
];

#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, Option<SocketFile>),
}

/// A socket of ours in the file system, removed when we leave, unless another has taken its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    inode: u64,
}

#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// Sockets of an address; several where a host has several addresses. To be called inside the runtime.
    pub fn bind(address: &Address) -> Result<Vec<Listener>, Complaint> {
        let bound = match address {
            Address::Inet { port, host } => tcp(host, *port, "0.0.0.0", SocketAddr::is_ipv4),
            Address::Inet6 { port, host } => tcp(host, *port, "::", SocketAddr::is_ipv6),
            Address::Unix { path, owner, mode } => unix(path, owner, *mode).map(|listener| vec![listener]),
        };
        bound.map_err(|error| refused(address, &error))
    }

    /// Sockets that systemd hands over (sd_listen_fds(3)).
    pub fn inherited() -> io::Result<Vec<Listener>> {
        let mut handed = listenfd::ListenFd::from_env();
        let mut listeners = Vec::new();
        for index in 0..handed.len() {
            if let Ok(Some(listener)) = handed.take_tcp_listener(index) {
                listener.set_nonblocking(true)?;
                listeners.push(Listener::Tcp(TcpListener::from_std(listener)?));
            } else if let Some(listener) = handed.take_unix_listener(index)? {
                listener.set_nonblocking(true)?;
                listeners.push(Listener::Unix(UnixListener::from_std(listener)?, None));
            }
        }
        Ok(listeners)
    }

    pub async fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // A verdict is one write; waiting for more of it would cost the peer a delayed acknowledgement.
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Listener::Unix(listener, _) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }

    /// As it can be connected to.
    pub fn name(&self) -> String {
        match self {
            Listener::Tcp(listener) => match listener.local_addr() {
                Ok(at) if at.is_ipv6() => format!("inet6:{}@{}", at.port(), at.ip()),
                Ok(at) => format!("inet:{}@{}", at.port(), at.ip()),
                Err(_) => "inet".to_owned(),
            },
            Listener::Unix(listener, _) => {
                let path = listener.local_addr().ok().and_then(|at| at.as_pathname().map(|p| p.display().to_string()));
                match self {
                    Listener::Unix(_, Some(file)) => format!("unix:{}", file.path.display()),
                    Listener::Unix(_, None) | Listener::Tcp(_) => format!("unix:{}", path.unwrap_or_default()),
                }
            }
        }
    }

    /// Anybody on the network can reach it.
    pub fn is_exposed(&self) -> bool {
        match self {
            Listener::Tcp(listener) => listener.local_addr().is_ok_and(|at| !at.ip().is_loopback()),
            Listener::Unix(..) => false,
        }
    }
}

impl Stream {
    /// Has what came so far acknowledged at once. Peers that write a command in pieces (macros, then the command) are held up by
    /// their kernel until the first piece is acknowledged; ours waits 40 ms for a reply to send that with. The kernel forgets
    /// the wish, so it is told again before each wait.
    pub fn acknowledge(&self) {
        match self {
            Stream::Tcp(stream) => {
                // Refused: slower, nothing else.
                let _ = stream.set_quickack(true);
            }
            Stream::Unix(_) => {}
        }
    }
}

fn tcp(host: &str, port: u16, any: &str, family: fn(&SocketAddr) -> bool) -> io::Result<Vec<Listener>> {
    let host = if host.is_empty() { any } else { host };
    let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.filter(family).collect();
    addresses.sort();
    addresses.dedup();
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "the host has no address of that family"));
    }
    addresses.into_iter().map(|at| listen(at).map(Listener::Tcp)).collect()
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = if at.is_ipv4() { tokio::net::TcpSocket::new_v4()? } else { tokio::net::TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(1024)
}

/// Bound under another name, then moved into place: nobody meets it with the wrong owner or mode, and a socket that a dead
/// daemon left behind is replaced.
fn unix(path: &Path, owner: &Owner, mode: u32) -> io::Result<Listener> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket stands there"));
        }
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => return Err(io::ErrorKind::AddrInUse.into()),
        Ok(_) | Err(_) => {}
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    let _ = std::fs::remove_file(&fresh);
    let placed = place(path, &fresh, owner, mode);
    if placed.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    placed
}

fn place(path: &Path, fresh: &Path, owner: &Owner, mode: u32) -> io::Result<Listener> {
    let listener = UnixListener::bind(fresh)?;
    let (user, group) = ids(owner)?;
    if user.is_some() || group.is_some() {
        std::os::unix::fs::lchown(fresh, user, group)?;
    }
    std::fs::set_permissions(fresh, std::fs::Permissions::from_mode(mode))?;
    let inode = std::fs::symlink_metadata(fresh)?.ino();
    std::fs::rename(fresh, path)?;
    Ok(Listener::Unix(listener, Some(SocketFile { path: path.to_owned(), inode })))
}

fn ids(owner: &Owner) -> io::Result<(Option<u32>, Option<u32>)> {
    let missing = |kind: &str, name: &str| io::Error::new(io::ErrorKind::NotFound, format!("there is no {kind} {name}"));
    let user = match &owner.user {
        None => None,
        Some(name) => Some(match name.parse() {
            Ok(number) => number,
            Err(_) => nix::unistd::User::from_name(name)?.ok_or_else(|| missing("user", name))?.uid.as_raw(),
        }),
    };
    let group = match &owner.group {
        None => None,
        Some(name) => Some(match name.parse() {
            Ok(number) => number,
            Err(_) => nix::unistd::Group::from_name(name)?.ok_or_else(|| missing("group", name))?.gid.as_raw(),
        }),
    };
    Ok((user, group))
}

fn refused(address: &Address, error: &io::Error) -> Complaint {
    let port = match address {
        Address::Inet { port, .. } | Address::Inet6 { port, .. } => Some(*port),
        Address::Unix { .. } => None,
    };
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => match port.and_then(|port| NEIGHBOURS.iter().find(|(p, _)| *p == port)) {
            Some((port, who)) => format!(
                "{who} usually listens on port {port}: stop it, or choose another port with --listen or listen in [milter] \
                 and in the mail server's milter settings"
            ),
            None => "another process listens there, perhaps a second hamgate: stop it or choose another socket".to_owned(),
        },
        io::ErrorKind::PermissionDenied => "check the owner of the folder, or choose a port above 1023".to_owned(),
        io::ErrorKind::NotFound => "create the folder first; under systemd RuntimeDirectory= does that".to_owned(),
        _ => "choose another socket with --listen or listen in [milter]".to_owned(),
    };
    Complaint { severity: Severity::Error, place: None, what: format!("cannot listen on {address} ({error})"), remedy }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
