//! Look-ups that nearly every weighing needs, asked side by side before it begins: what is weighed one after the other need not be
//! asked one after the other.

use super::config::Weights;
use crate::dns::{Records, Session, Trouble};
use crate::facts::DnsType;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

#[derive(Debug, Default)]
pub struct Ahead(HashMap<(String, DnsType), Result<Arc<Records>, Trouble>>);

impl Ahead {
    /// Asks all lists, and what is told of the names: the sender's domain and HELO.
    pub async fn ask(session: &Session, weights: &Weights, reversed: &str, [domain, helo]: [&str; 2], ip: IpAddr) -> Ahead {
        let mut questions: Vec<(String, DnsType)> =
            weights.lists.iter().map(|(zone, ..)| (format!("{reversed}.{zone}"), DnsType::A)).collect();
        let is_name = |name: &&str| name.contains('.') && !name.contains(['[', ']']);
        if !weights.lists_only {
            questions.push((crate::dns::name::reverse(ip), DnsType::Ptr));
            let names = [domain, helo].into_iter().filter(is_name);
            questions.extend(names.flat_map(|name| [DnsType::Mx, DnsType::A].map(|kind| (name.to_owned(), kind))));
            let domains = weights.domain_lists.iter().filter(|_| is_name(&domain));
            questions.extend(domains.map(|(zone, ..)| (format!("{domain}.{zone}"), DnsType::A)));
        }
        questions.sort_by(|a, b| (&a.0, a.1 as u8).cmp(&(&b.0, b.1 as u8)));
        questions.dedup();
        let answers = session.look_up_all(questions.clone()).await;
        Ahead(questions.into_iter().zip(answers).collect())
    }

    /// As `Session::look_up`, where it was not asked already.
    pub async fn look_up(&self, session: &Session, name: &str, kind: DnsType) -> Result<Arc<Records>, Trouble> {
        match self.0.get(&(name.to_owned(), kind)) {
            Some(answer) => answer.clone(),
            None => session.look_up(name, kind).await,
        }
    }
}
