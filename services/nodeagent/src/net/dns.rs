//! The DNS server of a node: answers for the cluster's domain from the zone, and hands everything else on.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hickory_server::Server;
use hickory_server::net::runtime::{Time, TokioRuntimeProvider};
use hickory_server::proto::op::{Metadata, ResponseCode};
use hickory_server::proto::rr::rdata::{A, CNAME, PTR, SOA, SRV, TXT};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::resolver::TokioResolver;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use rutter_nodeagent_core::dns::{Answer, Asked, Data, TTL_S, Zone};
use tokio::net::{TcpListener, UdpSocket};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// How long a client may keep a TCP connection idle.
const TCP_IDLE: Duration = Duration::from_secs(10);
/// Answers waiting for one TCP client.
const TCP_ANSWERS: usize = 64;
/// How far an alias is followed.
const ALIASES: usize = 8;

/// Why there is no DNS on this node.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DnsError {
    #[error("the DNS server can't listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
}

/// Gives this machine the address, and serves on it until `stop`.
///
/// # Errors
/// When it can't listen.
pub(super) async fn run(
    address: IpAddr,
    zone: Arc<RwLock<Zone>>,
    stop: CancellationToken,
) -> Result<(), DnsError> {
    // That it is there already is as good; anything else shows when listening fails.
    ip("add", address).await;
    serve(address, zone, stop).await
}

/// Takes the address from this machine again.
pub(super) async fn forget_address(address: IpAddr) {
    ip("del", address).await;
}

/// `ip address add|del <address> dev lo`: there is no dummy link type on every kernel, and loopback will do.
async fn ip(verb: &str, address: IpAddr) {
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let output =
        Command::new("ip").args(["address", verb, &format!("{address}/{bits}"), "dev", "lo"]).output().await;
    match output {
        Ok(output) if output.status.success() => {}
        Ok(output) => tracing::debug!(said = %String::from_utf8_lossy(&output.stderr), verb, "ip address"),
        Err(error) => tracing::warn!(%error, "ip can't be run: is the package iproute2 installed?"),
    }
}

async fn serve(address: IpAddr, zone: Arc<RwLock<Zone>>, stop: CancellationToken) -> Result<(), DnsError> {
    let address = SocketAddr::new(address, 53);
    let listen = |source| DnsError::Listen { address, source };
    let udp = UdpSocket::bind(address).await.map_err(listen)?;
    let tcp = TcpListener::bind(address).await.map_err(listen)?;
    let mut server = Server::new(Handler { zone, elsewhere: elsewhere(address.ip()) });
    server.register_socket(udp);
    server.register_listener(tcp, TCP_IDLE, TCP_ANSWERS);
    stop.cancelled().await;
    if let Err(error) = server.shutdown_gracefully().await {
        tracing::debug!(%error, "the DNS server ended in haste");
    }
    Ok(())
}

/// The machine's own resolvers, but for ourselves.
fn elsewhere(own: IpAddr) -> Option<TokioResolver> {
    let (mut config, options) = hickory_resolver::system_conf::read_system_conf().ok()?;
    config.name_servers.retain(|server| server.ip != own);
    if config.name_servers.is_empty() {
        return None;
    }
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .build()
        .ok()
}

struct Handler {
    zone: Arc<RwLock<Zone>>,
    elsewhere: Option<TokioResolver>,
}

/// What is said to one question.
struct Said {
    code: ResponseCode,
    records: Vec<Record>,
    soa: Option<Record>,
    ours: bool,
}

impl Said {
    fn error(code: ResponseCode) -> Said {
        Said { code, records: Vec::new(), soa: None, ours: false }
    }
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut out: R,
    ) -> ResponseInfo {
        let said = match request.request_info() {
            Ok(info) => self.answer(&Name::from(info.query.name()), info.query.query_type()).await,
            Err(_) => Said::error(ResponseCode::FormErr),
        };
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = said.code;
        metadata.authoritative = said.ours;
        metadata.recursion_available = self.elsewhere.is_some();
        let response = MessageResponseBuilder::from_message_request(request).build(
            metadata,
            &said.records,
            [],
            said.soa.iter(),
            [],
        );
        match out.send_response(response).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!(%error, "an answer of DNS could not be sent");
                hickory_server::proto::op::Header { metadata, counts: Default::default() }.into()
            }
        }
    }
}

impl Handler {
    async fn answer(&self, name: &Name, kind: RecordType) -> Said {
        let text = name.to_utf8();
        let (answer, domain) = {
            let zone = self.zone.read().unwrap_or_else(PoisonError::into_inner);
            (zone.ask(&text, asked(kind)), zone.domain().to_owned())
        };
        let soa = || start_of_authority(&domain);
        match answer {
            Answer::Data(data) => {
                let mut records: Vec<Record> = data.iter().filter_map(|data| record(name, data)).collect();
                self.follow_aliases(&mut records, kind).await;
                Said { code: ResponseCode::NoError, records, soa: None, ours: true }
            }
            Answer::NoData => {
                Said { code: ResponseCode::NoError, records: Vec::new(), soa: soa(), ours: true }
            }
            Answer::NoName => {
                Said { code: ResponseCode::NXDomain, records: Vec::new(), soa: soa(), ours: true }
            }
            Answer::NotOurs => self.elsewhere(name, kind).await,
        }
    }

    /// Addresses behind an alias go with it, as clients expect (RFC 1034, 3.6.2).
    async fn follow_aliases(&self, records: &mut Vec<Record>, kind: RecordType) {
        if kind != RecordType::A && kind != RecordType::AAAA {
            return;
        }
        for _ in 0..ALIASES {
            let Some(RData::CNAME(CNAME(target))) = records.last().map(|record| record.data.clone()) else {
                return;
            };
            let found = self.elsewhere(&target, kind).await.records;
            if found.is_empty() {
                return;
            }
            records.extend(found);
        }
    }

    async fn elsewhere(&self, name: &Name, kind: RecordType) -> Said {
        let Some(resolver) = &self.elsewhere else { return Said::error(ResponseCode::Refused) };
        match resolver.lookup(name.clone(), kind).await {
            Ok(found) => {
                let records = found.answers().to_vec();
                Said { code: ResponseCode::NoError, records, soa: None, ours: false }
            }
            Err(error) if error.is_nx_domain() => Said::error(ResponseCode::NXDomain),
            Err(error) if error.is_no_records_found() => Said::error(ResponseCode::NoError),
            Err(error) => {
                tracing::debug!(%name, %error, "the machine's resolvers do not answer");
                Said::error(ResponseCode::ServFail)
            }
        }
    }
}

fn asked(kind: RecordType) -> Asked {
    match kind {
        RecordType::A => Asked::Address,
        RecordType::CNAME => Asked::Alias,
        RecordType::SRV => Asked::Service,
        RecordType::PTR => Asked::Pointer,
        RecordType::TXT => Asked::Text,
        RecordType::ANY => Asked::Any,
        _ => Asked::Else,
    }
}

fn record(name: &Name, data: &Data) -> Option<Record> {
    let absolute = |text: &str| Name::from_utf8(format!("{}.", text.trim_end_matches('.'))).ok();
    let data = match data {
        Data::Address(address) => RData::A(A(*address)),
        Data::Alias(target) => RData::CNAME(CNAME(absolute(target)?)),
        Data::Service { weight, port, target } => RData::SRV(SRV::new(0, *weight, *port, absolute(target)?)),
        Data::Pointer(target) => RData::PTR(PTR(absolute(target)?)),
        Data::Text(text) => RData::TXT(TXT::new(vec![text.clone()])),
    };
    Some(Record::from_rdata(name.clone(), TTL_S, data))
}

/// What negative answers carry, so that resolvers keep them no longer than positive ones (RFC 2308).
fn start_of_authority(domain: &str) -> Option<Record> {
    let name = |text: String| Name::from_utf8(text).ok();
    let (zone, master, contact) = (
        name(format!("{domain}."))?,
        name(format!("ns.dns.{domain}."))?,
        name(format!("hostmaster.{domain}."))?,
    );
    let ttl = i32::try_from(TTL_S).ok()?;
    Some(Record::from_rdata(
        zone,
        TTL_S,
        RData::SOA(SOA::new(master, contact, 1, 7200, 1800, 86_400, TTL_S.min(ttl.unsigned_abs()))),
    ))
}
