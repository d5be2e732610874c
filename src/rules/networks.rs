//! `trusted_networks`, `internal_networks`, `msa_networks` while files are being read.

use super::draft::{Fault, Line};
use super::lexer::words;
use crate::base::NetSet;
use crate::mail::ViewOptions;

#[derive(Debug, Default)]
pub(super) struct Networks {
    trusted: List,
    internal: List,
    msa: List,
}

/// Networks as written, in order.
#[derive(Debug, Default)]
struct List {
    nets: Vec<String>,
    configured: bool,
}

impl Networks {
    /// Takes one line; `Ok(false)` when its key is none of these.
    pub fn read(&mut self, line: &Line<'_>) -> Result<bool, Fault> {
        let (clears, name) = match line.key.strip_prefix("clear_") {
            Some(name) => (true, name),
            None => (false, line.key),
        };
        let list = match name {
            "trusted_networks" => &mut self.trusted,
            "internal_networks" => &mut self.internal,
            "msa_networks" => &mut self.msa,
            _ => return Ok(false),
        };
        if clears {
            *list = List::default();
            return Ok(true);
        }
        if line.value.is_empty() {
            return Err(Fault::warning(format!("\"{}\" names no network", line.whole), "write for instance 192.0.2.0/24"));
        }
        let mut wrong = None;
        for net in words(line.value) {
            match NetSet::default().add(net) {
                Ok(()) => list.nets.push(net.to_owned()),
                Err(why) => wrong = Some(why),
            }
        }
        list.configured = true;
        wrong.map_or(Ok(true), |why| Err(Fault::warning(why, "")))
    }

    /// Fills the view options: loopback is trusted and internal in any case, and a list that stands alone serves as both.
    /// Gives what is left out, since it lies outside the trusted networks.
    pub fn apply(self, view: &mut ViewOptions) -> Vec<String> {
        let Networks { trusted, internal, msa } = self;
        view.networks_configured = trusted.configured || internal.configured;
        let (outer, outer_name) = if trusted.configured { (&trusted, "trusted_networks") } else { (&internal, "internal_networks") };
        let outer_set = set(&outer.nets, true);
        let mut left_out = Vec::new();
        let mut inside = |list: &List, name: &str| -> Vec<String> {
            let (kept, outside): (Vec<String>, Vec<String>) =
                list.nets.iter().cloned().partition(|net| !outer.configured || net.starts_with('!') || outer_set.contains_net(net));
            left_out.extend(outside.into_iter().map(|net| format!("{name} {net} does not lie in {outer_name}")));
            kept
        };
        let internal_nets = if trusted.configured { inside(&internal, "internal_networks") } else { internal.nets.clone() };
        let msa_nets = inside(&msa, "msa_networks");
        view.trusted = set(if trusted.configured { &trusted.nets } else { &internal_nets }, true);
        view.internal = set(if internal.configured { &internal_nets } else { &trusted.nets }, true);
        view.msa = set(&msa_nets, false);
        left_out
    }
}

fn set(nets: &[String], loopback: bool) -> NetSet {
    let mut set = NetSet::default();
    let own: &[&str] = if loopback { &["127.0.0.0/8", "::1"] } else { &[] };
    for net in own.iter().copied().chain(nets.iter().map(String::as_str)) {
        // Each was tried when its line was read.
        let _ = set.add(net);
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Place;

    fn view(lines: &[&str]) -> (ViewOptions, Vec<String>) {
        let mut networks = Networks::default();
        let place = Place { file: "t.cf".into(), line: 1 };
        for whole in lines {
            let (key, value) = super::super::lexer::first_word(whole);
            assert!(networks.read(&Line { key, value, whole, place: &place }).unwrap());
        }
        let mut view = ViewOptions::default();
        let left_out = networks.apply(&mut view);
        (view, left_out)
    }

    #[test]
    fn one_list_serves_as_both() {
        let (view, left_out) = view(&["trusted_networks 192.0.2.0/24 10."]);
        assert!(view.networks_configured && left_out.is_empty());
        for ip in ["192.0.2.1", "10.1.1.1", "127.0.0.1"] {
            assert!(view.internal.contains(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn internal_networks_lie_in_trusted_ones() {
        let (view, left_out) = view(&["trusted_networks 10.0.0.0/8", "internal_networks 10.1.0.0/16 192.0.2.0/24"]);
        assert_eq!(left_out, ["internal_networks 192.0.2.0/24 does not lie in trusted_networks"]);
        assert!(!view.internal.contains("192.0.2.1".parse().unwrap()));
        assert!(view.internal.contains("10.1.0.1".parse().unwrap()));
        assert!(!view.internal.contains("10.2.0.1".parse().unwrap()));
    }
}
