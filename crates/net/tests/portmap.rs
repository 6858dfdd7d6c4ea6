//! Port mapping against a UPnP gateway that is made here. Real ones, and the other two protocols, are met in `interop`.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use riverrun_net::portmap::{Method, Options, PortMapper, Protocol, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{mpsc, watch};

const LONG: Duration = Duration::from_secs(30);
const SERVICE: &str = "urn:schemas-upnp-org:service:WANIPConnection:1";

/// What the gateway refuses.
#[derive(Clone, Copy, Default)]
struct Moods {
    /// Leases that end.
    leases: bool,
    /// This port, which is somebody else's.
    port: Option<u16>,
}

/// A gateway on loopback; what it is asked for comes out of `asked`.
struct Gateway {
    ssdp: SocketAddrV4,
    asked: mpsc::UnboundedReceiver<String>,
}

impl Gateway {
    async fn start(moods: Moods) -> Gateway {
        let (tell, asked) = mpsc::unbounded_channel();
        let http = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let ssdp = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let at = http.local_addr().expect("an address");
        let SocketAddr::V4(ssdp_at) = ssdp.local_addr().expect("an address") else { panic!("IPv4") };
        tokio::spawn(async move {
            let mut buffer = [0; 2_048];
            while let Ok((_, from)) = ssdp.recv_from(&mut buffer).await {
                let answer =
                    format!("HTTP/1.1 200 OK\r\nST: {SERVICE}\r\nLOCATION: http://{at}/root.xml\r\n\r\n");
                let _ = ssdp.send_to(answer.as_bytes(), from).await;
            }
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = http.accept().await {
                tokio::spawn(serve(stream, moods, tell.clone()));
            }
        });
        Gateway { ssdp: ssdp_at, asked }
    }

    fn options(&self) -> Options {
        let mut options = Options::new([(Protocol::Tcp, 6_999)]);
        options.ssdp = self.ssdp;
        options.local = Some(Ipv4Addr::LOCALHOST);
        options.methods = vec![Method::Upnp];
        options
    }

    async fn next(&mut self) -> String {
        tokio::time::timeout(LONG, self.asked.recv())
            .await
            .expect("a request in time")
            .expect("the gateway lives")
    }
}

async fn serve(mut stream: TcpStream, moods: Moods, tell: mpsc::UnboundedSender<String>) {
    let Some((head, body)) = read(&mut stream).await else { return };
    let (status, xml) = if head.starts_with("GET /root.xml") {
        (200, root())
    } else if head.starts_with("GET /actions.xml") {
        (200, actions())
    } else {
        answer(&head, &body, moods, &tell)
    };
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", xml.len());
    let _ = stream.write_all(format!("{head}{xml}").as_bytes()).await;
}

async fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut text = String::new();
    loop {
        let mut buffer = [0; 4_096];
        let n = stream.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        text.push_str(&String::from_utf8_lossy(&buffer[..n]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let len = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        if body.len() >= len.unwrap_or(0) {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}

fn root() -> String {
    format!(
        "<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device><deviceType>urn:schemas-upnp-org:\
         device:InternetGatewayDevice:1</deviceType><deviceList><device><deviceType>urn:schemas-upnp-org:device:\
         WANDevice:1</deviceType><deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1\
         </deviceType><serviceList><service><serviceType>{SERVICE}</serviceType><serviceId>urn:upnp-org:serviceId:\
         WANIPConn1</serviceId><SCPDURL>/actions.xml</SCPDURL><controlURL>/control</controlURL><eventSubURL>/events\
         </eventSubURL></service></serviceList></device></deviceList></device></deviceList></device></root>"
    )
}

fn actions() -> String {
    let action = |name: &str, args: &[&str]| {
        let argument =
            |arg: &&str| format!("<argument><name>{arg}</name><direction>in</direction></argument>");
        let args: String = args.iter().map(argument).collect();
        format!("<action><name>{name}</name><argumentList>{args}</argumentList></action>")
    };
    let port = ["NewRemoteHost", "NewExternalPort", "NewProtocol"];
    let more = [
        "NewInternalPort",
        "NewInternalClient",
        "NewEnabled",
        "NewPortMappingDescription",
        "NewLeaseDuration",
    ];
    format!(
        "<?xml version=\"1.0\"?><scpd xmlns=\"urn:schemas-upnp-org:service-1-0\"><actionList>{}{}{}</actionList></scpd>",
        action("AddPortMapping", &[&port[..], &more].concat()),
        action("DeletePortMapping", &port),
        action("GetExternalIPAddress", &[]),
    )
}

fn answer(head: &str, body: &str, moods: Moods, tell: &mpsc::UnboundedSender<String>) -> (u16, String) {
    let field = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        rest.split_once('<').map(|(value, _)| value.to_owned())
    };
    let field = |name| field(name).unwrap_or_default();
    let (name, result) = if head.contains("#AddPortMapping") {
        let (port, lease) = (field("NewExternalPort"), field("NewLeaseDuration"));
        let client = format!("{}:{}", field("NewInternalClient"), field("NewInternalPort"));
        let _ = tell.send(format!("add {} {port} to {client} for {lease}", field("NewProtocol")));
        if moods.leases && lease != "0" {
            return fault(725);
        }
        if moods.port.is_some_and(|taken| taken.to_string() == port) {
            return fault(718);
        }
        ("AddPortMapping", String::new())
    } else if head.contains("#DeletePortMapping") {
        let _ = tell.send(format!("delete {} {}", field("NewProtocol"), field("NewExternalPort")));
        ("DeletePortMapping", String::new())
    } else {
        ("GetExternalIPAddress", "<NewExternalIPAddress>203.0.113.7</NewExternalIPAddress>".to_owned())
    };
    (200, envelope(&format!("<u:{name}Response xmlns:u=\"{SERVICE}\">{result}</u:{name}Response>")))
}

fn fault(code: u16) -> (u16, String) {
    let error = format!(
        "<UPnPError xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>{code}</errorCode><errorDescription>no\
         </errorDescription></UPnPError>"
    );
    let fault = "<faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring>";
    (500, envelope(&format!("<s:Fault>{fault}<detail>{error}</detail></s:Fault>")))
}

fn envelope(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>{body}</s:Body></s:Envelope>"
    )
}

async fn until(status: &mut watch::Receiver<Status>, wanted: fn(&Status) -> bool) -> Status {
    let found = tokio::time::timeout(LONG, status.wait_for(wanted)).await;
    found.expect("the status in time").expect("the mapper lives").clone()
}

/// Where a port is reached from outside, and how.
async fn mapped(mapper: &PortMapper) -> (Method, String) {
    match until(&mut mapper.watch(), |status| matches!(status, Status::Mapped { .. })).await {
        Status::Mapped { method, mappings } => (method, mappings[0].external.to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_port_is_mapped_renewed_and_removed() {
    let mut gateway = Gateway::start(Moods::default()).await;
    let mut options = gateway.options();
    options.lease = Duration::from_secs(1);
    let mapper = PortMapper::start(options);
    for _ in 0..2 {
        assert_eq!(gateway.next().await, "add TCP 6999 to 127.0.0.1:6999 for 1");
    }
    assert_eq!(mapped(&mapper).await, (Method::Upnp, "203.0.113.7:6999".to_owned()));
    let mut status = mapper.watch();
    mapper.close(LONG).await;
    while gateway.next().await != "delete TCP 6999" {}
    assert_eq!(*status.borrow_and_update(), Status::Closed);
}

#[tokio::test]
async fn a_mapper_that_is_dropped_removes_its_mappings() {
    let mut gateway = Gateway::start(Moods::default()).await;
    let mapper = PortMapper::start(gateway.options());
    mapped(&mapper).await;
    drop(mapper);
    assert_eq!(gateway.next().await, "add TCP 6999 to 127.0.0.1:6999 for 7200");
    assert_eq!(gateway.next().await, "delete TCP 6999");
}

#[tokio::test]
async fn a_gateway_without_leases_keeps_the_port_until_it_is_removed() {
    let mut gateway = Gateway::start(Moods { leases: true, ..Moods::default() }).await;
    let mapper = PortMapper::start(gateway.options());
    assert_eq!(gateway.next().await, "add TCP 6999 to 127.0.0.1:6999 for 7200");
    assert_eq!(gateway.next().await, "add TCP 6999 to 127.0.0.1:6999 for 0");
    assert_eq!(mapped(&mapper).await.1, "203.0.113.7:6999");
    mapper.close(LONG).await;
    assert_eq!(gateway.next().await, "delete TCP 6999");
}

#[tokio::test]
async fn a_port_that_is_taken_becomes_the_next_one() {
    let mut gateway = Gateway::start(Moods { port: Some(6_999), ..Moods::default() }).await;
    let mapper = PortMapper::start(gateway.options());
    assert_eq!(mapped(&mapper).await.1, "203.0.113.7:7000");
    mapper.close(LONG).await;
    let mut last = String::new();
    while !last.starts_with("delete") {
        last = gateway.next().await;
    }
    assert_eq!(last, "delete TCP 7000");
}

#[tokio::test]
async fn a_gateway_that_speaks_upnp_alone_is_found_after_the_others() {
    let gateway = Gateway::start(Moods::default()).await;
    let mut options = gateway.options();
    // Nobody speaks PCP or NAT-PMP there.
    (options.methods, options.gateway) = (Method::ALL.to_vec(), Some(Ipv4Addr::LOCALHOST));
    let mapper = PortMapper::start(options);
    assert_eq!(mapped(&mapper).await.0, Method::Upnp);
}

#[tokio::test]
async fn without_a_gateway_the_status_says_so_and_closing_is_quick() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let SocketAddr::V4(ssdp) = silent.local_addr().expect("an address") else { panic!("IPv4") };
    let mut options = Options::new([(Protocol::Tcp, 6_999), (Protocol::Udp, 6_999)]);
    (options.ssdp, options.local) = (ssdp, Some(Ipv4Addr::LOCALHOST));
    (options.methods, options.search) = (vec![Method::Upnp], Duration::from_millis(100));
    let mapper = PortMapper::start(options);
    let failed = until(&mut mapper.watch(), |status| matches!(status, Status::Failed { .. })).await;
    let Status::Failed { reason, .. } = failed else { panic!("{failed:?}") };
    assert!(reason.starts_with("UPnP: "), "{reason}");
    mapper.close(LONG).await;
}
