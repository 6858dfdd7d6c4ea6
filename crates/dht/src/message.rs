//! The datagrams: KRPC (BEP 5, "KRPC Protocol"), with the additions of BEP 32, 42 and 43.

use std::net::{IpAddr, SocketAddr};

use bencode::{Encoder, Node as Value, Options};
use types::InfoHash;

use crate::NodeId;

/// Longest datagram that is read, in bytes.
pub const READ_LEN: usize = 1_500;
/// Longest transaction id that is read, in bytes.
pub const TRANSACTION_LEN: usize = 32;
/// Longest token that is kept, in bytes.
pub const TOKEN_LEN: usize = 128;
/// Most nodes of either family that are taken from one answer: four times what BEP 5 gives.
pub const NODES: usize = 32;
/// Most peers that are taken from one answer.
pub const PEERS: usize = 100;

/// What a datagram may hold: the shortest value, an empty string, takes two bytes, so that one of [`READ_LEN`] never has
/// too many; and messages are three levels deep, the others are for keys that we do not know.
const OPTIONS: Options = Options::lenient().max_len(READ_LEN).max_depth(8).max_tokens(READ_LEN / 2);

/// Bytes that are no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// They are not bencode.
    #[error("not bencode: {0}")]
    Bencode(#[from] bencode::Error),
    /// A key that every such message has is missing, or is something else than it should be.
    #[error("`{key}` is missing or not what it should be")]
    Key {
        /// The key; of what is inside `a`, `r` and `e` with that and a dot before it.
        key: &'static str,
    },
}

/// A node, as others tell of it ("compact node info").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Node {
    /// What it is called.
    pub id: NodeId,
    /// Where it is.
    pub addr: SocketAddr,
}

/// Nodes of which families are asked for (BEP 32, `want`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Want {
    /// `n4`.
    pub v4: bool,
    /// `n6`.
    pub v6: bool,
}

/// One datagram.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// What an answer and its query have in common: up to [`TRANSACTION_LEN`] bytes.
    pub transaction: Vec<u8>,
    /// What it says.
    pub body: Body,
}

/// What a datagram says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// Something is asked.
    Query(Query),
    /// The answer.
    Reply(Reply),
    /// The answer of a node that can't or won't.
    Error {
        /// 201 to 204 are those of BEP 5, "Errors".
        code: i64,
    },
}

/// What is asked, and by whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query {
    /// The name of who asks.
    pub id: NodeId,
    /// Who asks answers no queries, and is not to be remembered (BEP 43).
    pub read_only: bool,
    /// What is asked.
    pub ask: Ask,
}

/// What is asked (BEP 5, "DHT Queries").
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Ask {
    /// Are you there?
    Ping,
    /// Whom do you know near this place?
    FindNode {
        /// The place.
        target: NodeId,
        /// Nodes of which families; none: of the datagram's own.
        want: Want,
    },
    /// Who takes part in this torrent?
    GetPeers {
        /// The torrent.
        torrent: InfoHash,
        /// Nodes of which families; none: of the datagram's own.
        want: Want,
    },
    /// We take part in this torrent.
    AnnouncePeer {
        /// The torrent.
        torrent: InfoHash,
        /// Where we listen for peers.
        port: u16,
        /// The port is to be ignored in favour of the datagram's own.
        implied_port: bool,
        /// What the node gave us when we asked it for peers.
        token: Vec<u8>,
    },
    /// Something else.
    Unknown,
}

/// An answer. What a query does not ask for is not in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The name of who answers.
    pub id: NodeId,
    /// Nodes near the place that was asked for, of both families, at most [`NODES`] of each.
    pub nodes: Vec<Node>,
    /// Who takes part in the torrent; at most [`PEERS`].
    pub peers: Vec<SocketAddr>,
    /// What an announce to this node has to bring: at most [`TOKEN_LEN`] bytes.
    pub token: Option<Vec<u8>>,
    /// How the node that answers sees who asked (BEP 42).
    pub seen: Option<SocketAddr>,
}

impl Reply {
    /// An answer that says no more than that `id` is there.
    pub const fn new(id: NodeId) -> Reply {
        Reply { id, nodes: Vec::new(), peers: Vec::new(), token: None, seen: None }
    }
}

impl Message {
    /// Reads a datagram. Keys that are not known, lists that are too long and addresses of odd lengths are passed over.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn decode(bytes: &[u8]) -> Result<Message, ParseError> {
        let document = bencode::parse(bytes, &OPTIONS)?;
        let root = document.root();
        let transaction = string(root.get(b"t"), TRANSACTION_LEN).ok_or(ParseError::Key { key: "t" })?;
        let body = match root.get(b"y").and_then(|kind| kind.as_bytes()) {
            Some(b"q") => Body::Query(query(root)?),
            Some(b"r") => Body::Reply(reply(root)?),
            Some(b"e") => Body::Error { code: error_code(root)? },
            _ => return Err(ParseError::Key { key: "y" }),
        };
        Ok(Message { transaction, body })
    }

    /// The datagram.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::with_capacity(256);
        out.begin_dict();
        let kind = match &self.body {
            Body::Query(query) => {
                query.write(&mut out);
                "q"
            }
            Body::Reply(reply) => {
                reply.write(&mut out);
                "r"
            }
            Body::Error { code } => {
                out.key("e").begin_list().int(*code).bytes("").end();
                "e"
            }
        };
        out.key("t").bytes(&self.transaction).key("y").bytes(kind).end();
        out.finish().expect("the keys are written in their order")
    }
}

impl Query {
    fn write(&self, out: &mut Encoder) {
        out.key("a").begin_dict().key("id").bytes(self.id.0);
        let method = match &self.ask {
            Ask::Ping => "ping",
            Ask::FindNode { target, want } => {
                out.key("target").bytes(target.0);
                want.write(out);
                "find_node"
            }
            Ask::GetPeers { torrent, want } => {
                out.key("info_hash").bytes(torrent.0);
                want.write(out);
                "get_peers"
            }
            Ask::AnnouncePeer { torrent, port, implied_port, token } => {
                out.key("implied_port").int((*implied_port).into()).key("info_hash").bytes(torrent.0);
                out.key("port").int((*port).into()).key("token").bytes(token);
                "announce_peer"
            }
            Ask::Unknown => "",
        };
        out.end().key("q").bytes(method);
        if self.read_only {
            out.key("ro").int(1);
        }
    }
}

impl Want {
    fn write(self, out: &mut Encoder) {
        if self != Want::default() {
            out.key("want").begin_list();
            for (_, name) in [(self.v4, "n4"), (self.v6, "n6")].iter().filter(|(wanted, _)| *wanted) {
                out.bytes(name);
            }
            out.end();
        }
    }
}

impl Reply {
    fn write(&self, out: &mut Encoder) {
        if let Some(seen) = self.seen {
            out.key("ip").bytes(compact(seen));
        }
        out.key("r").begin_dict().key("id").bytes(self.id.0);
        for (key, v4) in [("nodes", true), ("nodes6", false)] {
            let of_family = self.nodes.iter().filter(|node| node.addr.is_ipv4() == v4);
            let text: Vec<u8> =
                of_family.flat_map(|node| [&node.id.0[..], &compact(node.addr)].concat()).collect();
            if !text.is_empty() {
                out.key(key).bytes(text);
            }
        }
        if let Some(token) = &self.token {
            out.key("token").bytes(token);
        }
        if !self.peers.is_empty() {
            out.key("values").begin_list();
            self.peers.iter().for_each(|peer| _ = out.bytes(compact(*peer)));
            out.end();
        }
        out.end();
    }
}

fn query(root: Value<'_, '_>) -> Result<Query, ParseError> {
    let method = root.get(b"q").and_then(|q| q.as_bytes()).ok_or(ParseError::Key { key: "q" })?;
    let arguments = root.get(b"a").ok_or(ParseError::Key { key: "a" })?;
    let hash =
        || hash(arguments.get(b"info_hash")).map(InfoHash).ok_or(ParseError::Key { key: "a.info_hash" });
    let want = || {
        let list = || arguments.get(b"want").and_then(|want| want.as_list()).into_iter().flatten();
        let has = |name: &[u8]| list().any(|family| family.as_bytes() == Some(name));
        Want { v4: has(b"n4"), v6: has(b"n6") }
    };
    let ask = match method {
        b"ping" => Ask::Ping,
        b"find_node" => {
            let target = self::hash(arguments.get(b"target")).ok_or(ParseError::Key { key: "a.target" })?;
            Ask::FindNode { target: NodeId(target), want: want() }
        }
        b"get_peers" => Ask::GetPeers { torrent: hash()?, want: want() },
        b"announce_peer" => {
            let port = arguments.get(b"port").and_then(|port| u16::try_from(port.as_int()?).ok());
            let token = string(arguments.get(b"token"), TOKEN_LEN);
            Ask::AnnouncePeer {
                torrent: hash()?,
                port: port.ok_or(ParseError::Key { key: "a.port" })?,
                implied_port: is_set(arguments.get(b"implied_port")),
                token: token.ok_or(ParseError::Key { key: "a.token" })?,
            }
        }
        _ => Ask::Unknown,
    };
    let id = self::hash(arguments.get(b"id")).map(NodeId).ok_or(ParseError::Key { key: "a.id" })?;
    Ok(Query { id, read_only: is_set(root.get(b"ro")), ask })
}

fn reply(root: Value<'_, '_>) -> Result<Reply, ParseError> {
    let values = root.get(b"r").ok_or(ParseError::Key { key: "r" })?;
    let id = hash(values.get(b"id")).map(NodeId).ok_or(ParseError::Key { key: "r.id" })?;
    let nodes = |key, len| {
        let text = values.get(key).and_then(|nodes| nodes.as_bytes()).unwrap_or_default();
        text.chunks_exact(len).take(NODES).filter_map(|node| {
            let (id, addr) = node.split_first_chunk()?;
            Some(Node { id: NodeId(*id), addr: address(addr)? })
        })
    };
    let peers = values.get(b"values").and_then(|values| values.as_list()).into_iter().flatten();
    Ok(Reply {
        id,
        nodes: nodes(b"nodes", 26).chain(nodes(b"nodes6", 38)).collect(),
        peers: peers.filter_map(|peer| address(peer.as_bytes()?)).take(PEERS).collect(),
        token: string(values.get(b"token"), TOKEN_LEN),
        seen: root.get(b"ip").and_then(|seen| address(seen.as_bytes()?)),
    })
}

fn error_code(root: Value<'_, '_>) -> Result<i64, ParseError> {
    let code = root.get(b"e").and_then(|error| error.as_list()?.next()?.as_int());
    code.ok_or(ParseError::Key { key: "e" })
}

fn is_set(value: Option<Value<'_, '_>>) -> bool {
    value.and_then(|value| value.as_int()).is_some_and(|value| value != 0)
}

fn hash(value: Option<Value<'_, '_>>) -> Option<[u8; 20]> {
    value?.as_bytes()?.try_into().ok()
}

fn string(value: Option<Value<'_, '_>>, longest: usize) -> Option<Vec<u8>> {
    Some(value?.as_bytes().filter(|text| text.len() <= longest)?.to_vec())
}

/// "Compact IP-address/port info": 6 bytes, or 18 for IPv6.
fn address(compact: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = compact.split_last_chunk()?;
    let v4 = <[u8; 4]>::try_from(ip).map(IpAddr::from);
    let ip = v4.or_else(|_| <[u8; 16]>::try_from(ip).map(IpAddr::from)).ok()?;
    Some((ip, u16::from_be_bytes(*port)).into())
}

fn compact(addr: SocketAddr) -> Vec<u8> {
    let mut out = match addr.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    out.extend(addr.port().to_be_bytes());
    out
}

#[cfg(test)]
#[path = "message/tests.rs"]
mod tests;
