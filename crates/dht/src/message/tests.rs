use super::*;

fn id(text: &[u8; 20]) -> NodeId {
    NodeId(*text)
}

fn query(ask: Ask) -> Message {
    let id = id(b"abcdefghij0123456789");
    Message { transaction: b"aa".to_vec(), body: Body::Query(Query { id, read_only: false, ask }) }
}

fn reply(reply: Reply) -> Message {
    Message { transaction: b"aa".to_vec(), body: Body::Reply(reply) }
}

#[test]
fn queries_are_written_as_in_the_examples_of_bep_5() {
    let torrent = InfoHash(*b"mnopqrstuvwxyz123456");
    let (target, want) = (NodeId(torrent.0), Want::default());
    let token = b"aoeusnth".to_vec();
    let announce = Ask::AnnouncePeer { torrent, port: 6881, implied_port: true, token };
    let examples: [(Ask, &[u8]); 4] = [
        (Ask::Ping, b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"),
        (
            Ask::FindNode { target, want },
            b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
        ),
        (
            Ask::GetPeers { torrent, want },
            b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
        ),
        (
            announce,
            b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
        ),
    ];
    for (ask, text) in examples {
        let message = query(ask);
        assert_eq!(message.encode().escape_ascii().to_string(), text.escape_ascii().to_string());
        assert_eq!(Message::decode(text), Ok(message));
    }
}

#[test]
fn answers_are_read_as_in_the_examples_of_bep_5() {
    let text = b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re";
    let message = reply(Reply {
        peers: vec!["97.120.106.101:11893".parse().unwrap(), "105.100.104.116:28269".parse().unwrap()],
        token: Some(b"aoeusnth".to_vec()),
        ..Reply::new(id(b"abcdefghij0123456789"))
    });
    assert_eq!(Message::decode(text), Ok(message.clone()));
    assert_eq!(message.encode(), text);
    let error = b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee";
    let body = Body::Error { code: 201 };
    assert_eq!(Message::decode(error), Ok(Message { transaction: b"aa".to_vec(), body }));
}

#[test]
fn both_families_and_what_bep_42_and_43_add_go_both_ways() {
    let node = |text: &str| Node { id: id(b"mnopqrstuvwxyz123456"), addr: text.parse().unwrap() };
    let message = reply(Reply {
        nodes: vec![node("1.2.3.4:5"), node("[2001:db8::1]:6881")],
        peers: vec!["[2001:db8::2]:7".parse().unwrap(), "5.6.7.8:9".parse().unwrap()],
        token: Some(vec![0; TOKEN_LEN]),
        seen: Some("[2001:db8::3]:1".parse().unwrap()),
        ..Reply::new(id(b"abcdefghij0123456789"))
    });
    assert_eq!(Message::decode(&message.encode()), Ok(message));
    let want = Want { v4: true, v6: true };
    let mut asked = query(Ask::GetPeers { torrent: InfoHash([7; 20]), want });
    let Body::Query(inner) = &mut asked.body else { unreachable!("it is a query") };
    inner.read_only = true;
    let text = asked.encode();
    assert!(text.windows(13).any(|part| part == b"4:wantl2:n42:"), "{}", text.escape_ascii());
    assert!(text.windows(8).any(|part| part == b"2:roi1e1"), "{}", text.escape_ascii());
    assert_eq!(Message::decode(&text), Ok(asked));
}

#[test]
fn lists_are_cut_and_odd_things_passed_over() {
    let mut text = b"d1:rd2:id20:abcdefghij01234567895:nodes1040:".to_vec();
    text.extend([1; 40 * 26]);
    text.extend(b"5:tokeni1e6:valuesl6:axje.u5:short6:idhtnme1:xllleeee1:t1:a1:v4:abcd1:y1:re");
    let Ok(Message { body: Body::Reply(reply), .. }) = Message::decode(&text) else { panic!("it reads") };
    assert_eq!((reply.nodes.len(), reply.peers.len(), reply.token), (NODES, 2, None));
    let mut many = b"d1:rd2:id20:abcdefghij01234567896:valuesl".to_vec();
    (0..150).for_each(|_| many.extend(b"6:axje.u"));
    many.extend(b"ee1:t1:a1:y1:re");
    let Ok(Message { body: Body::Reply(reply), .. }) = Message::decode(&many) else { panic!("it reads") };
    assert_eq!(reply.peers.len(), PEERS);
}

#[test]
fn what_is_no_message_says_why() {
    let key = |key| Err(ParseError::Key { key });
    for (text, expected) in [
        (&b"d1:y1:qe"[..], key("t")),
        (b"d1:t33:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1:y1:qe", key("t")),
        (b"d1:t1:ae", key("y")),
        (b"d1:t1:a1:y1:xe", key("y")),
        (b"d1:t1:a1:y1:qe", key("q")),
        (b"d1:q4:ping1:t1:a1:y1:qe", key("a")),
        (b"d1:ade1:q4:ping1:t1:a1:y1:qe", key("a.id")),
        (b"d1:ade1:q9:find_node1:t1:a1:y1:qe", key("a.target")),
        (b"d1:t1:a1:y1:re", key("r")),
        (b"d1:r0:1:t1:a1:y1:re", key("r.id")),
        (b"d1:e0:1:t1:a1:y1:ee", key("e")),
    ] {
        assert_eq!(Message::decode(text), expected, "{}", text.escape_ascii());
    }
    assert!(matches!(Message::decode(b""), Err(ParseError::Bencode(_))));
    assert!(matches!(Message::decode(&[b'l'; 100]), Err(ParseError::Bencode(_))));
    assert!(matches!(Message::decode(&[b'0'; READ_LEN + 1]), Err(ParseError::Bencode(_))));
}
