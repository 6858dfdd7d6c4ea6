use super::*;
use proptest::prelude::*;

fn url(text: &str) -> TrackerUrl {
    TrackerUrl::parse(text).unwrap()
}

fn check(text: &str) -> Result<AddressRule, Refusal> {
    check_tracker_url(&url(text), Rules::default())
}

#[test]
fn urls_come_apart() {
    let u = url(" HTTPS://User:p%40ss@Tracker.Example/a%20b/announce?k=v#frag ");
    assert_eq!(u.as_str(), "https://tracker.example/a%20b/announce?k=v");
    assert_eq!((u.scheme(), u.port(), u.origin()), (Scheme::Https, 443, "https://tracker.example:443"));
    assert_eq!(u.credentials(), Some(("User", "p@ss")));
    let u = url("udp://tracker.example:6969/dir?a=b&c=d");
    assert_eq!((u.as_str(), u.port()), ("udp://tracker.example:6969/dir?a=b&c=d", 6969));
    assert_eq!(u.udp_data(), "/dir?a=b&c=d");
    assert_eq!(url("udp://tracker.example").as_str(), "udp://tracker.example:80/");
    assert_eq!(url("udp://tracker.example:80").udp_data(), "");
    assert_eq!(url("udp://[2001:db8::1]:1/").addr(), Some("2001:db8::1".parse().unwrap()));
    assert_eq!(url("udp://0x7f.1:1/").addr(), Some("127.0.0.1".parse().unwrap()));
    assert!(!url("wss://tracker.example").scheme().is_supported());
}

#[test]
fn what_is_no_url_is_refused_with_its_reason() {
    assert!(matches!(TrackerUrl::parse("tracker.example"), Err(UrlError::Syntax { .. })));
    assert!(matches!(TrackerUrl::parse("http://"), Err(UrlError::Syntax { .. })));
    assert!(matches!(TrackerUrl::parse("http://a:0/"), Err(UrlError::Syntax { .. })));
    assert!(matches!(TrackerUrl::parse("udp://a:99999/"), Err(UrlError::Syntax { .. })));
    assert_eq!(TrackerUrl::parse("ftp://a/").unwrap_err(), UrlError::Scheme("ftp".into()));
    assert_eq!(TrackerUrl::parse("file:///etc/passwd").unwrap_err(), UrlError::Scheme("file".into()));
    let long = format!("http://a/{}", "x".repeat(URL_LEN));
    assert_eq!(TrackerUrl::parse(&long).unwrap_err(), UrlError::TooLong(long.len()));
}

#[test]
fn a_local_tracker_must_look_like_one() {
    for host in ["127.0.0.1", "localhost", "a.localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433"] {
        assert_eq!(check(&format!("http://{host}/announce.php?x=1")), Ok(AddressRule::ANY));
        assert!(matches!(check(&format!("http://{host}/admin")), Err(Refusal::LocalPath(_))), "{host}");
    }
    assert!(matches!(check("http://169.254.169.254/latest"), Err(Refusal::LocalPath(_))));
    assert_eq!(check("http://10.0.0.1/tracker.php"), Ok(AddressRule::NOT_HOST));
    // The name may still turn out to be local: the rule for its address says so.
    assert_eq!(check("http://tracker.example/x"), Ok(AddressRule::NOT_HOST));
    let local = "127.0.0.1".parse().unwrap();
    assert!(check_address("tracker.example", local, AddressRule::NOT_HOST).is_err());
    assert!(check_address("tracker.example", local, AddressRule::ANY).is_ok());
    assert!(check("udp://127.0.0.1:6969").is_ok() && check("udp://127.0.0.1:6969/announce").is_ok());
    assert!(check("udp://127.0.0.1:53/other").is_err());
    let allow = Rules { allow_local: true, ..Rules::default() };
    assert_eq!(check_tracker_url(&url("http://127.0.0.1/x"), allow), Ok(AddressRule::ANY));
    assert!(matches!(check("http://0.0.0.0/announce"), Err(Refusal::Address { .. })));
}

#[test]
fn parameters_of_the_announce_may_not_come_along() {
    for query in ["info_hash=x", "a=b&EVENT=started", "%69nfo_hash=1", "x;Port=1", "left", " left=1"] {
        let text = format!("http://tracker.example/announce?{query}");
        assert!(matches!(check(&text), Err(Refusal::ReservedParameter(_))), "{query}");
    }
    assert!(check("http://tracker.example/announce?passkey=info_hash&support=1").is_ok());
}

#[test]
fn internationalised_names_are_off_by_default() {
    for host in ["b\u{fc}cher.example", "xn--bcher-kva.example", "XN--BCHER-KVA.example"] {
        let text = format!("http://{host}/announce");
        assert!(matches!(check(&text), Err(Refusal::Idna(_))), "{host}");
        let allow = Rules { allow_idna: true, ..Rules::default() };
        assert!(check_tracker_url(&url(&text), allow).is_ok());
    }
}

#[test]
fn unsupported_kinds_are_told_apart_from_nonsense() {
    assert_eq!(check("wss://tracker.example/"), Err(Refusal::Unsupported("wss")));
    let metainfo = check_url(&url("udp://a:1/"), Purpose::Metainfo, Rules::default());
    assert_eq!(metainfo, Err(Refusal::Unsupported("udp")));
}

fn redirect(from: &str, at: &str, to: &str) -> Result<Redirect, Refusal> {
    check_redirect(&url(from), at.parse().unwrap(), to, 1, Purpose::Tracker, Rules::default())
}

#[test]
fn redirects_never_lead_inward() {
    let global = "http://t.example/announce";
    for to in [
        "http://127.0.0.1/announce",
        "http://localhost/announce",
        "http://192.168.1.1/announce",
        "http://[fe80::1]/announce",
        "http://[::ffff:10.0.0.1]/announce",
        "http://169.254.169.254/announce",
    ] {
        assert!(matches!(redirect(global, "1.2.3.4", to), Err(Refusal::RedirectInward { .. })), "{to}");
    }
    let ok = redirect(global, "1.2.3.4", "https://other.example/announce").unwrap();
    assert_eq!((ok.rule, ok.keep_authorization), (AddressRule::GLOBAL, false));
    // From the inside it may go outward or stay, but a name keeps the rule of its path.
    let ok = redirect("http://10.0.0.1/announce", "10.0.0.1", "http://10.0.0.2/x").unwrap();
    assert_eq!(ok.rule, AddressRule::NOT_HOST);
    assert!(redirect("http://10.0.0.1/announce", "10.0.0.1", "http://127.0.0.1/announce").is_err());
    assert!(redirect("http://127.0.0.1/announce", "127.0.0.1", "http://127.0.0.1/announce2").is_ok());
    assert!(redirect("http://127.0.0.1/announce", "127.0.0.1", "http://127.0.0.1/admin").is_err());
}

#[test]
fn redirects_keep_to_http_and_to_their_number() {
    let from = "https://t.example/x/announce?p=1";
    let same = redirect(from, "1.2.3.4", "../announce2?q").unwrap();
    assert_eq!((same.to.as_str(), same.keep_authorization), ("https://t.example/announce2?q", true));
    assert!(!redirect(from, "1.2.3.4", "http://t.example/announce").unwrap().keep_authorization);
    for to in ["ftp://t.example/", "udp://t.example:1/", "file:///etc/passwd", "gopher://x/"] {
        assert!(matches!(redirect(from, "1.2.3.4", to), Err(Refusal::RedirectScheme(_))), "{to}");
    }
    assert!(matches!(
        redirect(from, "1.2.3.4", "http://xn--a-ecp.ru/"),
        Err(Refusal::Idna(_) | Refusal::RedirectSyntax(_))
    ));
    assert!(matches!(redirect(from, "1.2.3.4", "http://b\u{fc}cher.example/"), Err(Refusal::Idna(_))));
    let sixth = check_redirect(
        &url(from),
        "1.2.3.4".parse().unwrap(),
        "/announce",
        6,
        Purpose::Tracker,
        Rules::default(),
    );
    assert_eq!(sixth, Err(Refusal::TooManyRedirects));
}

#[test]
fn scopes_see_through_embedded_addresses() {
    let scope = |text: &str| Scope::of(text.parse().unwrap());
    assert_eq!(scope("::ffff:127.0.0.1"), Scope::Loopback);
    assert_eq!(scope("64:ff9b::a00:1"), Scope::Private);
    assert_eq!(scope("2002:7f00:1::"), Scope::Loopback);
    assert_eq!(scope("100.64.0.1"), Scope::Private);
    assert_eq!(scope("fd00::1"), Scope::Private);
    assert_eq!(scope("255.255.255.255"), Scope::Unusable);
    assert_eq!(scope("::"), Scope::Unusable);
    assert_eq!(scope("2606:4700::1111"), Scope::Global);
}

proptest! {
    #[test]
    fn parsing_settles_at_once(text in "(https?|udp|wss?)://[a-z0-9.:@\\[\\]%/?&=# -]{0,40}") {
        if let Ok(first) = TrackerUrl::parse(&text) {
            let again = TrackerUrl::parse(first.as_str()).unwrap();
            prop_assert_eq!(first.as_str(), again.as_str());
            prop_assert_eq!(first.origin(), again.origin());
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>(), location in any::<String>()) {
        let _ = TrackerUrl::parse(&text);
        let _ = redirect("http://t.example/announce", "1.2.3.4", &location);
    }

    #[test]
    fn escapes_go_both_ways(bytes in any::<Vec<u8>>()) {
        let mut text = String::new();
        percent_encode(&bytes, &mut text);
        prop_assert_eq!(percent_decode(text.as_bytes()), bytes);
    }
}
