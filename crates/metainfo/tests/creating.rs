//! New torrents, against info hashes that other programs made of the same files.
//!
//! The hashes are of libtorrent 2.1.1 (`create_torrent` and `set_piece_hashes`); those of files in the order of whole
//! paths also of mktorrent 1.1 and transmission-create 3.00.

use riverrun_metainfo::create::{Builder, CreateError, FileOrder, HashPlan};
use riverrun_metainfo::{Attributes, Limits, Metainfo, Place, Version};
use types::PieceIndex;

/// The files of the reference torrents: path, length, seed.
const FILES: [(&str, u64, u64); 5] = [
    ("a/one.bin", 40_000, 1),
    ("a/two.txt", 5, 2),
    ("a-b/zero", 0, 3),
    ("big.dat", 100_001, 4),
    ("b.txt", 16_384, 5),
];

fn data(seed: u64, len: u64) -> Vec<u8> {
    (0..len).map(|i| ((i * 31 + seed) ^ (i >> 8)) as u8).collect()
}

fn contents() -> Vec<Vec<u8>> {
    FILES.iter().map(|(_, len, seed)| data(*seed, *len)).collect()
}

fn demo(version: Version) -> Builder {
    FILES.iter().fold(Builder::new("demo").version(version).piece_len(32_768), |builder, (path, len, _)| {
        builder.file(path.split('/'), *len, Attributes::default())
    })
}

fn solo(version: Version) -> Builder {
    Builder::new("solo.bin").version(version).piece_len(32_768).single_file(50_000, Attributes::default())
}

/// Hashes everything the plan asks for, last piece first.
fn finish(mut plan: HashPlan, contents: &[Vec<u8>]) -> Metainfo {
    for piece in plan.geometry().clone().piece_indexes().rev() {
        let mut bytes = Vec::new();
        for extent in plan.extents(piece).collect::<Vec<_>>() {
            match extent.place {
                Place::Zeros => bytes.resize(bytes.len() + extent.len as usize, 0),
                Place::File { file, offset } => {
                    let content = &contents[plan.source(file).unwrap()];
                    bytes.extend_from_slice(&content[offset as usize..(offset + extent.len) as usize]);
                }
            }
        }
        if plan.version().has_v1() {
            plan.set_v1(piece, hash::sha1(&bytes)).unwrap();
        }
        if let Some(leaves) = plan.leaves(piece) {
            let data = &bytes[..leaves.data_len() as usize];
            let hashes: Vec<_> = data.chunks(16_384).map(hash::sha256).collect();
            assert_eq!(hashes.len(), leaves.count() as usize);
            plan.set_v2_leaves(piece, &hashes).unwrap();
        }
    }
    plan.finish().unwrap()
}

fn v1_hash(torrent: &Metainfo) -> String {
    torrent.info_hashes().get_v1().unwrap().to_string()
}

fn v2_hash(torrent: &Metainfo) -> String {
    torrent.info_hashes().get_v2().unwrap().to_string()
}

fn layers_hash(torrent: &Metainfo) -> String {
    let bytes = torrent.to_bytes();
    let document = bencode::parse(&bytes, &bencode::Options::strict()).unwrap();
    let layers = document.root().get(b"piece layers").unwrap().raw();
    types::InfoHashV2(hash::sha256(layers)).to_string()
}

#[test]
fn v1_equals_what_others_make() {
    let contents = contents();
    let made = |builder: Builder| v1_hash(&finish(builder.plan().unwrap(), &contents));
    assert_eq!(made(demo(Version::V1)), "9b8bb48b868b98d53a575c6bb258bab69ff56ec0");
    assert_eq!(made(demo(Version::V1).private(true)), "6b4457588ec0da8c2bf9bdaa108c91cfbd257622");
    // mktorrent 1.1 sorts whole paths.
    assert_eq!(made(demo(Version::V1).order(FileOrder::Path)), "8fe6463adcb073a9e58d8bd5e4147dcec7cd39b5");
    assert_eq!(made(demo(Version::V1).order(FileOrder::Given)), "6be1ebe088d3dafb855604b59c041cff1147bcd9");
    // transmission-create 3.00 leaves out empty files and always writes `private`.
    let filled = FILES.iter().filter(|f| f.1 > 0);
    let builder = filled
        .fold(Builder::new("demo").piece_len(32_768).write_public(true), |builder, (path, len, _)| {
            builder.file(path.split('/'), *len, Attributes::default())
        });
    let sources: Vec<_> = contents.iter().filter(|c| !c.is_empty()).cloned().collect();
    let torrent = finish(builder.order(FileOrder::Path).plan().unwrap(), &sources);
    assert_eq!(v1_hash(&torrent), "74f6333f8252e4cf5bf60c896c32a2c1439ad323");
}

#[test]
fn one_file_equals_what_libtorrent_makes_in_every_version() {
    let contents = [data(9, 50_000)];
    let made = |builder: Builder| finish(builder.plan().unwrap(), &contents);
    assert_eq!(v1_hash(&made(solo(Version::V1))), "b45987d4d024e3bb260e483c318df1b536ed1803");
    assert_eq!(v1_hash(&made(solo(Version::V1).private(true))), "5f2859aac888ca50e3e4f22ad3a9c7a243a05f77");
    let v2 = made(solo(Version::V2));
    assert_eq!(v2_hash(&v2), "6db788b4c4f652b337c1b21ae19cedceef8a8f9dff7998c128a394ecc83e20b7");
    assert_eq!(layers_hash(&v2), "7c0ec100bcfe244946871254c646e373c91f96459314bf22781230b1975b37d9");
    let hybrid = made(solo(Version::Hybrid));
    assert_eq!(v1_hash(&hybrid), "dfc7485879411c5a10a6f9ab54aac598b8d892ed");
    assert_eq!(v2_hash(&hybrid), "757c32f9ef351ed253602bcc562164a0c8c9a1ba5345c07ff2be2e0692deb298");
    assert!(hybrid.info().is_single_file() && v2.info().is_single_file());
}

#[test]
fn v2_equals_what_libtorrent_makes() {
    let torrent = finish(demo(Version::V2).plan().unwrap(), &contents());
    assert_eq!(v2_hash(&torrent), "7b4f567037ee6467f40e2d03fa4918cd52b664cf05c64f69c24904f67737b04b");
    assert_eq!(layers_hash(&torrent), "e097b0bddf62e06d2822647fce0c288e5775ae021648f61cb79149cf81684b1b");
    assert!(torrent.info().has_piece_layers() && torrent.info().warnings().is_empty());
}

/// The same files but for the empty one, which goes where libtorrent and BEP 52 agree on its place.
fn hybrid() -> (Builder, Vec<Vec<u8>>) {
    let mut builder = Builder::new("demo").version(Version::Hybrid).piece_len(32_768);
    let mut sources = Vec::new();
    for (path, len, seed) in FILES.into_iter().filter(|f| f.1 > 0).chain([("z/empty", 0, 3)]) {
        builder = builder.file(path.split('/'), len, Attributes::default());
        sources.push(data(seed, len));
    }
    (builder, sources)
}

#[test]
fn hybrids_equal_what_libtorrent_makes() {
    let (builder, sources) = hybrid();
    let torrent = finish(builder.clone().plan().unwrap(), &sources);
    assert_eq!(v1_hash(&torrent), "8f13aa2bdf51295c5a3045f90b9cf311dafe387e");
    assert_eq!(v2_hash(&torrent), "1e142ea25b0df15062998793635fb6be12a55edcb96ecb0adc32c361ebaae765");
    let torrent = finish(builder.clone().piece_len(16_384).plan().unwrap(), &sources);
    assert_eq!(v2_hash(&torrent), "898ce63aa54fb8dde2c310b6fc30aa6320c5d794c6ab7db41c81e9904e9dd152");
    assert_eq!(layers_hash(&torrent), "949492a71b59dd9133f3ff77ea10cf6ae484f8f97b9382d48cc44e02522de2f7");
    let torrent = finish(builder.clone().tail_padding(false).plan().unwrap(), &sources);
    assert_eq!(v2_hash(&torrent), "f780c7618239103b462d97c700ccffaea81fc93296196ed39df334761e408b1a");
    let torrent = finish(builder.version(Version::V1).align_v1(true).plan().unwrap(), &sources);
    assert_eq!(v1_hash(&torrent), "ec819c6900c8bcce71d28506ba8f2e93da9c7a31");
}

#[test]
fn what_was_made_verifies_its_own_data() {
    let (builder, sources) = hybrid();
    let torrent = finish(builder.plan().unwrap(), &sources);
    let info = torrent.info();
    assert_eq!(info.files().iter().filter(|f| f.is_padding()).count(), 4);
    for piece in info.geometry().piece_indexes() {
        let expected = info.piece_hash(piece);
        let file = info.layout().files_of_piece(piece, info.geometry()).next().unwrap();
        let start =
            (info.geometry().piece_range(piece).start - info.files()[file.as_usize()].offset()) as usize;
        // Every second file of the payload is padding.
        let content = &sources[[0, 1, 3, 2][file.as_usize() / 2]];
        let v2 = expected.v2().unwrap();
        let data = &content[start..start + v2.data_len() as usize];
        let leaves: Vec<_> = data.chunks(16_384).map(hash::sha256).collect();
        let mut padded = data.to_vec();
        padded.resize(info.piece_len_of(piece) as usize, 0);
        let token = expected.verify(Some(hash::sha1(&padded)), Some(&leaves)).unwrap();
        assert_eq!(token.piece(), piece);
    }
}

#[test]
fn links_attributes_and_outer_keys_are_written_and_read() {
    let executable = Attributes { executable: true, ..Attributes::default() };
    let builder = Builder::new("t")
        .version(Version::Hybrid)
        .file(["bin", "run"], 20_000, executable)
        .symlink(["z"], ["bin", "run"])
        .tiers(vec![vec!["http://a/".into()], vec!["http://b/".into()]])
        .web_seeds(vec!["http://w/".into()])
        .nodes(vec![riverrun_metainfo::Node { host: "h".into(), port: 1 }])
        .comment("c")
        .created_by("p")
        .creation_date(5)
        .source("s");
    let torrent = finish(builder.plan().unwrap(), &[vec![1; 20_000], vec![]]);
    assert_eq!(torrent.info().piece_len(), 16_384);
    let link = torrent.info().files().iter().find(|f| f.attributes().symlink).unwrap();
    assert_eq!(link.symlink(), Some("t/bin/run"));
    assert!(torrent.info().files()[0].attributes().executable);
    assert_eq!(torrent.tiers().len(), 2);
    assert_eq!(
        (torrent.comment(), torrent.created_by(), torrent.creation_date()),
        (Some("c"), Some("p"), Some(5))
    );
    assert_eq!(torrent.info().source(), Some("s"));
    assert!(torrent.warnings().is_empty() && torrent.info().warnings().is_empty());
    let again = Metainfo::from_bytes(&torrent.to_bytes(), &Limits::default()).unwrap();
    assert_eq!(again.to_bytes(), torrent.to_bytes());
}

#[test]
fn what_cannot_be_made_is_refused() {
    let none = Attributes::default();
    let file = |path: &[&str]| Builder::new("t").file(path, 1, none);
    let refused = |builder: Builder| builder.plan().unwrap_err().to_string();
    assert_eq!(refused(Builder::new("t")), "there is nothing to share: no file has any bytes");
    assert_eq!(refused(file(&["a", "..", "b"])), "a/../b: `..` cannot be part of a path in a torrent");
    assert_eq!(refused(file(&["a/b"])), "a/b: `a/b` cannot be part of a path in a torrent");
    assert_eq!(refused(file(&[])), ": a path has 1 to 100 components");
    assert_eq!(
        refused(file(&["a"]).file(["a"], 1, none)),
        "a: this path is there twice, or as both a file and a directory"
    );
    assert!(matches!(file(&["a"]).file(["a", "b"], 1, none).plan(), Err(CreateError::Duplicate(_))));
    assert!(matches!(file(&["a", "b"]).file(["a"], 1, none).plan(), Err(CreateError::Duplicate(_))));
    assert!(matches!(file(&["a"]).single_file(1, none).plan(), Err(CreateError::SingleAndMany)));
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let cut = |len: u32| file(&["a"]).version(version).piece_len(len).plan().map(|_| ());
        for len in [0, 1, 3, 8_192, 16_383, 16_385, 40_000, 1 << 30, u32::MAX] {
            assert_eq!(cut(len), Err(CreateError::PieceLen(len.into())), "{version:?}");
        }
        for len in [16 << 10, 1 << 20, 16 << 20, 512 << 20] {
            assert_eq!(cut(len), Ok(()), "{version:?} {len}");
        }
    }
    assert_eq!(
        refused(file(&["a"]).piece_len(3)),
        "a piece length of 3 bytes is not possible: it is a power of two from 16 KiB to 512 MiB"
    );
    let huge = Builder::new("t").single_file(1 << 47, none);
    assert!(matches!(huge.piece_len(16_384).plan(), Err(CreateError::Geometry(_))));
    let bytes = Builder::new("t").version(Version::V2).file([b"\xff"], 1, none);
    assert!(matches!(bytes.plan(), Err(CreateError::NotUtf8(_))));
    let mut plan = file(&["a"]).plan().unwrap();
    assert!(matches!(plan.set_v1(PieceIndex(1), [0; 20]), Err(CreateError::UnexpectedDigest(_))));
    assert!(matches!(plan.set_v2_leaves(PieceIndex(0), &[[0; 32]]), Err(CreateError::UnexpectedDigest(_))));
    assert!(matches!(plan.finish(), Err(CreateError::Missing(1))));
}
