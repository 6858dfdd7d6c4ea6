//! Every command's success and failures, a row each.

mod support;

use support::rows;

rows! {
    // What is asked for comes on stdout, alone.
    version: "version" => 0, "user agent      riverrun/", "";
    version_json: "version --json" => 0, "\"peer_id_prefix\":\"-RR0100-\"", "";
    version_flag: "--version" => 0, "torrent ", "";
    help: "help" => 0, "Usage: torrent [OPTIONS] <COMMAND>", "";
    help_flag: "--help" => 0, "Usage: torrent [OPTIONS] <COMMAND>", "";
    help_of_a_command: "help blocklist pack" => 0, "RIVERRUN_BLOCKLIST_PACK_OUTPUT", "";
    help_exit: "help exit" => 0, "   7  data on the disk does not match its hashes", "";
    help_environment: "help environment" => 0, "torrent create --piece-length", "";
    completions_bash: "completions bash" => 0, "torrent__subcmd__blocklist", "";
    completions_zsh: "completions zsh" => 0, "#compdef torrent", "";
    completions_fish: "completions fish" => 0, "complete -c torrent", "";
    man: "man" => 0, ".TH torrent 1", "";
    man_of_a_command: "man create" => 0, "RIVERRUN_CREATE_PIECE_LENGTH", "";

    metainfo_show: "metainfo data.torrent" => 0, "tracker          http://tracker.test/announce  (tier 0)", "";
    metainfo_alias: "info data.torrent" => 0, "comment          scene", "";
    metainfo_magnet: "metainfo data.torrent magnet" => 0, "magnet:?xt=urn:btih:", "";
    metainfo_files: "metainfo data.torrent files" => 0, "1\t70000\tdata/docs/b.txt\n", "";
    metainfo_trackers: "metainfo data.torrent trackers" => 0, "http://tracker.test/announce\n", "";
    metainfo_json: "metainfo data.torrent json" => 0, "\"piece_length\":32768", "";
    metainfo_pprint: "metainfo data.torrent pprint --piece-hashes" => 0, "\"piece_hashes\": [", "";
    magnet_of_a_file: "magnet data.torrent" => 0, "&tr=http", "";
    magnet_of_a_hash: "magnet AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" => 0,
        "info hash v1       aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "";
    bencode_json: "bencode json data.torrent" => 0, "\"comment\":\"scene\"", "";
    bencode_pretty: "bencode pretty data.torrent" => 0, "\"comment\": \"scene\"", "";
    create: "create data -o new.torrent" => 0, "", "new.torrent: 4 files, 361.33 KiB, 23 pieces of 16.00 KiB, info hash ";
    create_quietly: "create -q data -o new.torrent" => 0, "", "";
    create_dry: "create data --dry-run" => 0, "70000\tdocs/b.txt\n", "23 pieces of 16.00 KiB";
    create_json: "create data -o new.torrent --json --hybrid" => 0, "\"version\":\"hybrid\"", "";
    verify: "verify data.torrent" => 0, "ok              3/3  data/docs/b.txt", "all 12 pieces are right: 4 files";
    verify_quietly: "verify -q data.torrent" => 0, "", "";
    verify_the_content_itself: "verify data.torrent --data data" => 0, "ok", "all 12 pieces are right";
    verify_some: "verify data.torrent --select *.txt" => 0, "data/docs/c.txt", "all 3 pieces are right: 2 files";
    edit: "edit data.torrent --comment other -o new.torrent" => 0, "", "";
    edit_the_hash: "edit data.torrent --source other -o new.torrent" => 0, "", "THE INFO HASH CHANGED";

    // Wrong arguments: 2, and nothing on stdout.
    no_command: "" => 2, "", "Usage: torrent";
    unknown_command: "frobnicate" => 2, "", "unrecognized subcommand 'frobnicate'";
    unknown_flag: "metainfo data.torrent --frobnicate" => 2, "", "unexpected argument '--frobnicate'";
    unknown_topic: "help frobnicate" => 2, "", "there is no command `frobnicate`";
    unknown_page: "man frobnicate" => 2, "", "there is no command `frobnicate`";
    missing_argument: "create" => 2, "", "required arguments were not provided";
    two_versions: "create data --v2 --hybrid" => 2, "", "cannot be used with";
    wrong_size: "create data --piece-length big" => 2, "", "`big` is no size";
    impossible_piece_length: "create data --v2 --piece-length 20000 -o n" => 2, "", "piece length of 20000 bytes is not possible";
    tiny_piece_length: "create data --piece-length 3 -o n" => 2, "", "a power of two from 16 KiB to 512 MiB";
    small_piece_length: "create data --piece-length 8k -o n" => 2, "", "piece length of 8192 bytes is not possible";
    odd_piece_length: "create data --piece-length 48k -o n" => 2, "", "piece length of 49152 bytes is not possible";
    huge_piece_length: "create data --piece-length 1G -o n" => 2, "", "piece length of 1073741824 bytes is not possible";
    endless_piece_length: "create data --piece-length 4096T -o n" => 2, "", "is not possible";
    largest_piece_length: "create data --piece-length 512M --dry-run" => 0, "70000\tdocs/b.txt\n", "1 piece of 512.00 MiB";
    wrong_tracker: "create data -a nonsense -o n" => 2, "", "--announce nonsense";
    wrong_web_seed: "create data -w gopher://x -o n" => 2, "", "--web-seed gopher://x";
    wrong_node: "create data --node x -o n" => 2, "", "write HOST:PORT";
    wrong_date: "create data --creation-date yesterday -o n" => 2, "", "write seconds since 1970, `now` or `none`";
    wrong_name: "create data --name a/b -o n" => 2, "", "cannot be part of a path";
    existing_output: "create data -o data.torrent" => 2, "", "data.torrent exists; --force replaces it";
    two_things_on_stdout: "create data -o - --json" => 2, "", "can't both go to stdout";
    selection_of_nothing: "verify data.torrent --select *.mkv" => 2, "", "  2  data/docs/c.txt";
    selection_out_of_range: "verify data.torrent --select 9" => 2, "", "`9` goes beyond the last file; the files are:\n     0  data/a.bin";
    range_out_of_range: "verify data.torrent --select 0-3000" => 2, "", "`0-3000` goes beyond the last file; the files are:\n     0  data/a.bin";
    download_out_of_range: "download data.torrent --select 1,2-9 --list" => 2, "", "--select: `2-9` goes beyond the last file; the files are:\n     0  data/a.bin";
    range_backwards: "verify data.torrent --select 2-1" => 2, "", "`2-1` runs backwards; the lower number comes first";
    open_range_out_of_range: "verify data.torrent --select 4-" => 2, "", "`4-` goes beyond the last file; the files are:\n     0  data/a.bin";
    wrong_tracker_url: "announce nonsense aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" => 2, "", "the tracker's URL";
    wrong_address: "blocklist lookup data.torrent 1.2.3" => 2, "", "invalid value '1.2.3'";
    wrong_listen_address: "tracker --http nowhere" => 2, "", "invalid value 'nowhere'";
    share_mode_times_out: "download data.torrent --share-mode --timeout 1s" => 2, "", "cannot be used with";
    share_mode_without_uploads: "download data.torrent --share-mode --no-upload" => 2, "", "'--share-mode' cannot be used with";
    share_mode_that_never_uploads: "download data.torrent --share-mode --upload-mode never" => 2, "", "'--share-mode' cannot be used with";
    no_tracker_at_all: "tracker --no-http --no-udp" => 2, "", "cannot be used with";
    negative_peers: "download data.torrent --max-peers -1" => 2, "", "invalid value '-1' for '--max-peers";
    negative_piece_length: "create data -l -4" => 2, "", "invalid value '-4' for '--piece-length";
    wrong_shell: "completions tcsh" => 2, "", "invalid value 'tcsh'";

    // Missing files: 6, and the path.
    no_file_metainfo: "metainfo none.torrent" => 6, "", "torrent: none.torrent: No such file";
    no_file_magnet: "magnet none.torrent" => 6, "", "torrent: none.torrent: No such file";
    no_file_verify: "verify none.torrent" => 6, "", "torrent: none.torrent: No such file";
    no_data_directory: "verify data.torrent --data none" => 6, "", "torrent: none: No such file";
    no_file_edit: "edit none.torrent -c x" => 6, "", "torrent: none.torrent: No such file";
    no_file_create: "create none" => 6, "", "torrent: none: No such file";
    no_output_directory: "create data -o none/x.torrent" => 6, "", "torrent: none/x.torrent: No such file";
    no_file_bencode: "bencode json none" => 6, "", "torrent: none: No such file";
    no_file_blocklist: "blocklist stats none" => 6, "", "torrent: none: No such file";
    no_file_announce: "announce http://127.0.0.1:1/announce none" => 6, "", "torrent: none: No such file";
    a_directory_for_a_torrent: "metainfo data" => 6, "", "torrent: data: is a directory; give the path of a file";
    a_device_to_share: "create /dev/null -o n" => 6, "", "torrent: /dev/null: not a regular file";
    a_word_that_names_nothing: "download none" => 6, "", "; give the path of a file, an http(s) URL, or `-` for stdin";

    // What can't be read: 3, with key and offset.
    no_torrent: "metainfo data/a.bin" => 3, "", "torrent: data/a.bin: ";
    empty_torrent: "metainfo data/empty" => 3, "", "torrent: data/empty: ";
    no_bencode: "bencode json data/docs/c.txt" => 3, "", "value at byte 0";
    wrong_magnet: "magnet magnet:?dn=x" => 3, "", "torrent: ";

    // Trackers and servers that do not answer: 8.
    no_server: "metainfo http://127.0.0.1:1/x.torrent" => 8, "", "torrent: http://127.0.0.1:1: ";
    no_tracker: "announce http://127.0.0.1:1/announce aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" => 8, "",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: http://127.0.0.1:1: ";
    no_tracker_json: "scrape http://127.0.0.1:1/announce aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --json" => 8,
        "\"error\":{\"code\":\"tracker-http\"", "";
    no_scrape: "scrape http://192.0.2.1/x aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" => 2, "", "has no scrape";
    foreign_address: "tracker --no-udp --http 192.0.2.1:1" => 8, "", "cannot serve at http 192.0.2.1:1";
}
