//! A crowd of clients that push to a registry and pull from it at once, all in one process.
//!
//! Every digest of everything that comes back is computed and compared, so a wrong byte ends the
//! crowd with an error, as does any answer that is not the one that is due.

use std::process::ExitCode;

use coracle::digest::Digest;
use coracle::spec::media;
use coracle_tests::registry::{Peer, Reply};
use coracle_tests::wire::Wire;
use http::Method;
use serde_json::{Value, json};

/// The word that makes this program a crowd.
pub(crate) const WORD: &str = "crowd";

/// How many clients there are.
pub(crate) const CLIENTS: usize = 64;

/// The sizes of each client's own layers, in bytes. One more of 1 MiB is everybody's.
const LAYERS: [usize; 3] = [64 << 10, 512 << 10, 2 << 20];

/// What each client sends and gets in a round: it pulls twice what it pushes.
pub(crate) fn moved() -> usize {
    let pushed: usize = LAYERS.iter().sum();
    CLIENTS * (pushed + 2 * (pushed + (1 << 20)))
}

/// `ADDRESS SEED ROUNDS keep|delete`: each client pushes an image, pulls it twice, and, if that is
/// asked for, deletes it; so many times. Nobody's layers are those of another seed.
pub(crate) fn main(words: &[String]) -> ExitCode {
    let [address, seed, rounds, end] = words else {
        eprintln!("a crowd wants ADDRESS SEED ROUNDS keep|delete");
        return ExitCode::FAILURE;
    };
    let (Ok(address), Ok(seed), Ok(rounds)) = (address.parse(), seed.parse(), rounds.parse())
    else {
        eprintln!("a crowd wants ADDRESS SEED ROUNDS keep|delete, the middle two numbers");
        return ExitCode::FAILURE;
    };
    let (wire, delete) = (Wire { address }, end == "delete");
    let failed = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS as u64)
            .map(|client| scope.spawn(move || act(wire, seed, client, rounds, delete)))
            .collect();
        let ended = clients.into_iter().map(|client| client.join().is_err());
        ended.filter(|failed| *failed).count()
    });
    if failed > 0 {
        eprintln!("{failed} of {CLIENTS} clients saw an error");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// One client; an answer that is not due is its panic.
fn act(wire: Wire, seed: u64, client: u64, rounds: u64, delete: bool) {
    let peer = Peer { transport: &wire };
    let repository = format!("crowd/{client}");
    for round in 0..rounds {
        let mut layers = vec![noise(seed, 1 << 20)];
        for (number, size) in (0..).zip(LAYERS) {
            let own = ((seed * 1000 + round) * 1000 + client) * 10 + number;
            layers.push(noise(own + (1 << 40), size));
        }
        let digest = push(&peer, &repository, &format!("v{seed}-{round}"), &layers);
        for _ in 0..2 {
            pull(&peer, &repository, &digest, layers.len());
        }
        if delete {
            let at = format!("/v2/{repository}/manifests/{digest}");
            peer.ask(&Method::DELETE, &at, &[], b"").is(202);
        }
    }
}

fn push(peer: &Peer, repository: &str, tag: &str, layers: &[Vec<u8>]) -> Digest {
    let config = blob(peer, repository, b"{}", "application/vnd.oci.empty.v1+json");
    let layers = layers.iter();
    let layers: Vec<_> = layers
        .map(|layer| blob(peer, repository, layer, "application/x.noise"))
        .collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::MANIFEST, "config": config, "layers": layers,
    });
    let bytes = manifest.to_string().into_bytes();
    let at = format!("/v2/{repository}/manifests/{tag}");
    peer.ask(
        &Method::PUT,
        &at,
        &[("content-type", media::MANIFEST)],
        &bytes,
    )
    .is(201);
    Digest::of(&bytes)
}

/// Pushes a blob as docker and podman do: HEAD, POST, PATCH, PUT.
fn blob(peer: &Peer, repository: &str, bytes: &[u8], media_type: &str) -> Value {
    let digest = Digest::of(bytes);
    let at = format!("/v2/{repository}/blobs/{digest}");
    if peer.ask(&Method::HEAD, &at, &[], b"").status != 200 {
        let at = format!("/v2/{repository}/blobs/uploads/");
        let location = |reply: Reply| reply.is(202).header("location").to_owned();
        let upload = location(peer.ask(&Method::POST, &at, &[], b""));
        let upload = location(peer.ask(&Method::PATCH, &upload, &[], bytes));
        let sign = if upload.contains('?') { '&' } else { '?' };
        let at = format!("{upload}{sign}digest={digest}");
        peer.ask(&Method::PUT, &at, &[], b"").is(201);
    }
    json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
}

fn pull(peer: &Peer, repository: &str, digest: &Digest, layers: usize) {
    let at = format!("/v2/{repository}/manifests/{digest}");
    let manifest = peer.ask(&Method::GET, &at, &[("accept", media::MANIFEST)], b"");
    assert_eq!(Digest::of(&manifest.is(200).body), *digest);
    let manifest = manifest.json();
    let named = manifest["layers"].as_array().into_iter().flatten();
    let digests: Vec<_> = named.filter_map(|layer| layer["digest"].as_str()).collect();
    assert_eq!(digests.len(), layers);
    for digest in digests {
        let reply = peer.get(&format!("/v2/{repository}/blobs/{digest}"));
        assert_eq!(Digest::of(&reply.is(200).body).as_str(), digest);
    }
}

/// Bytes that nothing compresses, the same for the same seed.
fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        // xorshift64; see Marsaglia, "Xorshift RNGs".
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
