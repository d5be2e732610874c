//! `--nameserver` and `--zone`, for every command that asks the DNS.

use crate::dns::{Resolver, Settings, Zone, ZoneServer, settings};
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Clone, Debug, Default)]
pub struct DnsArgs {
    /// Ask this server instead of the system's.
    #[arg(long, value_name = "ADDR:PORT", conflicts_with = "zone")]
    pub nameserver: Option<String>,
    /// Answer from this zone file (JSON or master file) and ask no other server.
    #[arg(long, value_name = "FILE")]
    pub zone: Option<PathBuf>,
}

impl DnsArgs {
    /// The resolver that these options ask for; the server of `--zone` lives as long as the second half.
    pub async fn resolver(&self, mut configured: Settings) -> Result<(Resolver, Option<ZoneServer>), String> {
        let mut server = None;
        if let Some(path) = &self.zone {
            let zone = Zone::read(path).map_err(|complaint| complaint.to_string())?;
            let started = ZoneServer::start(zone).await.map_err(|e| format!("no DNS server on loopback: {e}"))?;
            configured.name_servers = vec![started.address.to_string()];
            // A zone on loopback that means silence means it.
            configured.timeout = crate::base::units::Span(std::time::Duration::from_millis(500));
            configured.retries = 0;
            server = Some(started);
        } else if let Some(address) = &self.nameserver {
            settings::server(address)?;
            configured.name_servers = vec![address.clone()];
        }
        Ok((Resolver::new(&configured)?, server))
    }
}
