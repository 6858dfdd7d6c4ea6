#!/usr/bin/env python3
"""libtorrent behind a few small commands, for the interop harness.

    lt.py version
    lt.py create OUT PATH --piece-len N --version v1|v2|hybrid [--private]
    lt.py hashes FILE
    lt.py run TORRENT|MAGNET DIR --listen IP:PORT [--peer IP:PORT]... [--seed] [--lsd] [--no-pex] [--up-rate BYTES]
                                      [--dht-node IP:PORT]
    lt.py node --listen IP:PORT

Each answer is one JSON object on a line of its own. `run` prints its state until it is ended by a signal.
"""

import argparse
import json
import os
import sys
import time
import warnings

import libtorrent as lt

# The calls below exist in every 2.x; the newest version would rather see others.
warnings.simplefilter("ignore", DeprecationWarning)


def say(**fields):
    print(json.dumps(fields), flush=True)


def hashes(info):
    """The info hashes in hex, or null."""
    both = info.info_hashes()
    return {
        "v1": str(both.v1) if both.has_v1() else None,
        "v2": str(both.v2) if both.has_v2() else None,
    }


def files(path):
    """Every file, all of a directory together, by the bytes of the names."""
    if not os.path.isdir(path):
        return [path]
    names = sorted(os.listdir(path), key=os.fsencode)
    return [file for name in names for file in files(os.path.join(path, name))]


def create(args):
    storage = lt.file_storage()
    parent = os.path.dirname(args.path)
    for path in files(args.path):
        storage.add_file(os.path.relpath(path, parent), os.path.getsize(path))
    flags = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}
    # v1 alone keeps the order it is given and puts nothing between the files.
    torrent = lt.create_torrent(storage, args.piece_len, int(flags[args.version]))
    torrent.set_priv(args.private)
    lt.set_piece_hashes(torrent, parent)
    with open(args.out, "wb") as out:
        out.write(lt.bencode(torrent.generate()))
    say(**hashes(lt.torrent_info(args.out)))


# Nodes on loopback, all at one address, and nobody beyond them.
DHT = {
    "enable_dht": True,
    "dht_bootstrap_nodes": "",
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_prefer_verified_node_ids": False,
    "dht_enforce_node_id": False,
    "dht_ignore_dark_internet": False,
}
QUIET = {"enable_lsd": False, "enable_upnp": False, "enable_natpmp": False}


def run(args):
    session = lt.session({
        "listen_interfaces": args.listen,
        "outgoing_interfaces": "",
        **(DHT if args.dht_node else {"enable_dht": False}),
        "enable_lsd": args.lsd,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "in_enc_policy": int(lt.enc_policy.pe_enabled),
        "out_enc_policy": int(lt.enc_policy.pe_disabled),
        "allow_multiple_connections_per_ip": True,
        # Loopback trackers at any path: every tracker here is on loopback.
        "ssrf_mitigation": False,
        "upload_rate_limit": args.up_rate,
        "rate_limit_ip_overhead": False,
        "alert_mask": int(lt.alert.category_t.error_notification | lt.alert.category_t.status_notification
                          | lt.alert.category_t.tracker_notification | lt.alert.category_t.connect_notification),
    })
    # A rate limit spares the local network unless it is told not to.
    local = lt.ip_filter()
    local.add_rule("0.0.0.0", "255.255.255.255", 1)
    session.set_peer_class_filter(local)
    if args.torrent.startswith("magnet:"):
        params = lt.parse_magnet_uri(args.torrent)
    else:
        params = lt.add_torrent_params()
        params.ti = lt.torrent_info(args.torrent)
    params.save_path = args.dir
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    if args.seed:
        params.flags |= lt.torrent_flags.seed_mode
    if args.no_pex:
        params.flags |= lt.torrent_flags.disable_pex
    handle = session.add_torrent(params)
    if args.dht_node:
        session.add_dht_node(split(args.dht_node))
    peers = [split(peer) for peer in args.peer]
    connected_at, announced_at, said = 0.0, 0.0, None
    while True:
        status = handle.status()
        if status.errc.value() != 0:
            say(error=status.errc.message())
            sys.exit(1)
        now = time.monotonic()
        if status.num_peers < len(peers) and (args.seed or not status.is_seeding) and now - connected_at > 2:
            connected_at = now
            for peer in peers:
                handle.connect_peer(peer)
        if args.dht_node and now - announced_at > 3:
            announced_at = now
            handle.force_dht_announce()
        state = {
            "ready": session.is_listening() and status.state != lt.torrent_status.checking_files
            and (status.is_seeding or not args.seed),
            "complete": bool(status.is_seeding),
            "up": status.total_payload_upload,
            "down": status.total_payload_download,
            "peers": status.num_peers,
            # Known to one that downloads.
            "copies": max(0, status.distributed_full_copies),
        }
        if state != said:
            said = state
            say(**state)
        for alert in session.pop_alerts():
            print(f"# {alert.what()}: {alert.message()}", flush=True)
        time.sleep(0.1)


def node(args):
    session = lt.session({"listen_interfaces": args.listen, **QUIET, **DHT})
    said = None
    while True:
        state = {"ready": session.is_listening() and session.is_dht_running(), "complete": False, "up": 0}
        if state != said:
            said = state
            say(**state)
        time.sleep(0.1)


def split(peer):
    host, port = peer.rsplit(":", 1)
    return host.strip("[]"), int(port)


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("version")
    make = commands.add_parser("create")
    make.add_argument("out")
    make.add_argument("path")
    make.add_argument("--piece-len", type=int, required=True)
    make.add_argument("--version", choices=["v1", "v2", "hybrid"], default="v1")
    make.add_argument("--private", action="store_true")
    show = commands.add_parser("hashes")
    show.add_argument("file")
    go = commands.add_parser("run")
    go.add_argument("torrent")
    go.add_argument("dir")
    go.add_argument("--listen", required=True)
    go.add_argument("--peer", action="append", default=[])
    go.add_argument("--seed", action="store_true")
    go.add_argument("--lsd", action="store_true")
    go.add_argument("--dht-node")
    serve = commands.add_parser("node")
    serve.add_argument("--listen", required=True)
    go.add_argument("--no-pex", action="store_true")
    go.add_argument("--up-rate", type=int, default=0)
    args = parser.parse_args()
    if args.command == "version":
        say(version=lt.version)
    elif args.command == "create":
        create(args)
    elif args.command == "hashes":
        say(**hashes(lt.torrent_info(args.file)))
    elif args.command == "node":
        node(args)
    else:
        run(args)


if __name__ == "__main__":
    main()
