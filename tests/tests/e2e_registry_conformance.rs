//! One test for each rule of the distribution specification that a registry must follow, named
//! after it. Each runs against our server in memory, against our server on a socket over a store
//! on disk, and against Debian's docker-registry 2.8, which is older than version 1.1 of the
//! specification: where it differs, the test says why, and fails when it does not differ.
//!
//! ```text
//! section              what MUST be                                        test
//! requirements         all of pull; all of a category that is claimed      all of them
//! pulling manifests    name and tag match the grammar                      a_name_…, a_tag_must_match_the_grammar
//!                      200 with the manifest; 404                          get_of_an_existing_manifest_must_be_200,
//!                                                                          a_manifest_that_is_not_found_must_be_404
//! pulling blobs        200 with the blob; its digest if told; 404          get_of_an_existing_blob_must_be_200,
//!                                                                          a_blob_that_is_not_found_must_be_404
//! checking content     200; 404                                            head_must_be_200_for_what_exists_…
//! POST then PUT        202 and Location, of a session of its own;          a_monolithic_push_must_be_202_then_201_…
//!                      201 and Location
//! single POST          201 and Location, or 202 and Location               a_single_post_must_be_201_or_202
//!                      the digest is the content's                         content_of_another_digest_must_be_refused
//! in chunks            202, Location, Range; in order, or 416              each_chunk_must_be_202_…,
//!                                                                          a_chunk_out_of_order_must_be_416
//!                      status: 204, Location, Range                        the_status_of_an_upload_must_be_204_…
//!                      201 and Location when it is closed                  each_chunk_must_be_202_…
//! mounting             201 and Location                                    a_mount_must_be_201_…
//! pushing manifests    201, Location, the very bytes; 413 when too large   a_manifest_push_must_be_201_…,
//!                                                                          a_manifest_of_4_mib_is_taken_…
//!                      OCI-Subject for one with a subject                  a_manifest_with_an_unknown_subject_…
//!                      a repository that is not there: 404                 a_manifest_that_is_not_found_must_be_404
//! listing tags         200, in order; n and last; nothing for n=0          the_list_of_tags_must_be_200_…,
//!                                                                          the_list_of_tags_must_come_in_pages
//! listing referrers    200, an index, never 404; 400 for no digest;        the_list_of_referrers_must_be_an_index_…,
//!                      types, annotations, the filter's header             referrers_of_what_is_no_digest_…,
//!                                                                          referrers_must_tell_type_and_annotations_…
//! deleting             202; 404; 400 or 405 where it is disabled           deleting_a_tag_…, deleting_a_manifest_…,
//!                                                                          deleting_a_blob_…, nothing_can_be_deleted_where_…
//! error codes          the form, and one of the specified codes            errors_must_have_the_specified_form,
//!                                                                          a_code_must_be_one_of_the_specified
//! ```
//!
//! What a client must do is tested with the client.
//!
//! Source: <https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md>

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use coracle::digest::Digest;
use coracle::registry::net::server::Limits;
use coracle::registry::server::{Access, Settings};
use coracle::spec::media;
use coracle::store::layout::Layout;
use coracle::store::memory::MemoryStore;
use coracle_tests::registry::{DockerRegistry, Peer, Reply, Served, server};
use http::Method;
use serde_json::{Value, json};

/// What is expected of docker-registry.
enum Docker {
    /// It follows the rule.
    Same,
    /// It does not, for this reason.
    Differs(&'static str),
}

/// Runs a rule against every registry.
fn rule(docker: &Docker, check: impl Fn(&Peer)) {
    let new = |store| server(store, Settings::default(), Access::default());
    let in_memory = new(Arc::new(MemoryStore::new()));
    check(&Peer {
        transport: &*in_memory,
    });

    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::open(folder.path().join("store")).unwrap();
    let mut served = Served::start(new(Arc::new(layout)), Limits::default());
    check(&Peer {
        transport: &served.wire,
    });
    assert!(served.end(), "nothing is under way any more");

    let Some(registry) = DockerRegistry::start(folder.path()) else {
        return;
    };
    let peer = Peer {
        transport: &registry.wire,
    };
    match docker {
        Docker::Same => check(&peer),
        Docker::Differs(why) => {
            let result = catch_unwind(AssertUnwindSafe(|| check(&peer)));
            assert!(
                result.is_err(),
                "docker-registry follows the rule; not so: {why}"
            );
        }
    }
}

// ── What the rules push ─────────────────────────────────────────────────────────────────────

#[track_caller]
fn push_blob(peer: &Peer, repository: &str, bytes: &[u8]) -> Value {
    let digest = Digest::of(bytes);
    let reply = put_upload(peer, &begin(peer, repository), &digest, bytes);
    reply.is(201);
    json!({ "mediaType": media::LAYER, "digest": digest, "size": bytes.len() })
}

#[track_caller]
fn begin(peer: &Peer, repository: &str) -> String {
    let at = format!("/v2/{repository}/blobs/uploads/");
    peer.ask(&Method::POST, &at, &[], b"")
        .is(202)
        .header("location")
        .to_owned()
}

#[track_caller]
fn put_upload(peer: &Peer, location: &str, digest: &Digest, bytes: &[u8]) -> Reply {
    let sign = if location.contains('?') { '&' } else { '?' };
    let at = format!("{location}{sign}digest={digest}");
    let octets = [("content-type", "application/octet-stream")];
    peer.ask(&Method::PUT, &at, &octets, bytes)
}

/// An image whose blobs have been pushed; its manifest has not.
#[track_caller]
fn image(peer: &Peer, repository: &str, layer: &str) -> Value {
    let mut config = push_blob(peer, repository, b"{}");
    config["mediaType"] = media::CONFIG.into();
    let layer = push_blob(peer, repository, layer.as_bytes());
    json!({
        "schemaVersion": 2, "mediaType": media::MANIFEST, "config": config, "layers": [layer],
    })
}

#[track_caller]
fn put(peer: &Peer, repository: &str, reference: &str, manifest: &Value) -> Reply {
    let at = format!("/v2/{repository}/manifests/{reference}");
    let kind = [("content-type", manifest["mediaType"].as_str().unwrap())];
    peer.ask(&Method::PUT, &at, &kind, manifest.to_string().as_bytes())
}

/// Pushes an image under a tag.
#[track_caller]
fn push(peer: &Peer, repository: &str, tag: &str) -> Digest {
    let manifest = image(peer, repository, tag);
    put(peer, repository, tag, &manifest).is(201);
    Digest::of(manifest.to_string().as_bytes())
}

// ── Pull: #pull ─────────────────────────────────────────────────────────────────────────────

/// spec.md#pulling-manifests: `<name>` MUST match the regular expression of names.
#[test]
fn a_name_must_match_the_grammar() {
    rule(
        &Docker::Differs("it has no code for a name, its router finds no page"),
        |peer| {
            for name in [
                "A", "a/B", "a_", "-a", "a//b", "a/.b", "a..b", "a/../b", "%2e%2e/a",
            ] {
                let at = format!("/v2/{name}/tags/list");
                peer.get(&at).refuses(400, "NAME_INVALID");
            }
            push(peer, "a/b-c_d__e.f/0", "v1");
        },
    );
}

/// spec.md#pulling-manifests: a tag MUST be at most 128 characters and match its expression.
#[test]
fn a_tag_must_match_the_grammar() {
    rule(
        &Docker::Differs("it has no code for a tag, its router finds no page"),
        |peer| {
            let longest = "x".repeat(128);
            push(peer, "a", &longest);
            push(peer, "a", "_.-A0");
            for tag in [&format!("{longest}x"), "-a", ".a", "a%20b", "a%2fb"] {
                assert!([400, 404].contains(&peer.get(&format!("/v2/a/manifests/{tag}")).status));
            }
            peer.get("/v2/a/manifests/.a")
                .refuses(400, "MANIFEST_INVALID");
        },
    );
}

/// spec.md#pulling-manifests: a GET of an existing manifest MUST bring the expected manifest with
/// 200 OK; `Docker-Content-Digest`, if there, MUST be that of the body.
#[test]
fn get_of_an_existing_manifest_must_be_200() {
    rule(&Docker::Same, |peer| {
        let manifest = image(peer, "a", "layer");
        put(peer, "a", "v1", &manifest).is(201);
        let digest = Digest::of(manifest.to_string().as_bytes());
        for reference in ["v1", digest.as_str()] {
            let accept = [("accept", media::MANIFEST)];
            let at = format!("/v2/a/manifests/{reference}");
            let reply = peer.ask(&Method::GET, &at, &accept, b"");
            assert_eq!(reply.is(200).body, manifest.to_string().into_bytes());
            assert_eq!(reply.header("content-type"), media::MANIFEST);
            assert_eq!(reply.header("docker-content-digest"), digest.as_str());
        }
    });
}

/// spec.md#pulling-manifests: a manifest that is not found MUST be 404 Not Found.
#[test]
fn a_manifest_that_is_not_found_must_be_404() {
    rule(&Docker::Same, |peer| {
        push(peer, "a", "v1");
        let digest = Digest::of(b"nothing");
        peer.get("/v2/a/manifests/v2")
            .refuses(404, "MANIFEST_UNKNOWN");
        let at = format!("/v2/a/manifests/{digest}");
        peer.get(&at).refuses(404, "MANIFEST_UNKNOWN");
        peer.get("/v2/b/manifests/v1").is(404);
    });
}

/// spec.md#pulling-blobs: a GET of an existing blob MUST bring the expected blob with 200 OK.
#[test]
fn get_of_an_existing_blob_must_be_200() {
    rule(&Docker::Same, |peer| {
        let bytes = b"layer".repeat(100_000);
        let blob = push_blob(peer, "a", &bytes);
        let digest = blob["digest"].as_str().unwrap();
        let reply = peer.get(&format!("/v2/a/blobs/{digest}"));
        assert_eq!(reply.is(200).body, bytes);
        assert_eq!(reply.header("docker-content-digest"), digest);
        assert_eq!(reply.header("content-length"), bytes.len().to_string());
    });
}

/// spec.md#pulling-blobs: a blob that is not found in the repository MUST be 404 Not Found.
#[test]
fn a_blob_that_is_not_found_must_be_404() {
    rule(&Docker::Same, |peer| {
        let blob = push_blob(peer, "a", b"layer");
        let digest = blob["digest"].as_str().unwrap();
        let at = format!("/v2/b/blobs/{digest}");
        peer.get(&at).refuses(404, "BLOB_UNKNOWN");
        let at = format!("/v2/a/blobs/{}", Digest::of(b"nothing"));
        peer.get(&at).refuses(404, "BLOB_UNKNOWN");
    });
}

/// spec.md#pulling-blobs: `Range` SHOULD be supported as RFC 9110 says.
#[test]
fn a_part_of_a_blob_can_be_pulled() {
    rule(
        &Docker::Differs("it announces the whole blob's length for a part"),
        |peer| {
            let blob = push_blob(peer, "a", b"0123456789");
            let at = format!("/v2/a/blobs/{}", blob["digest"].as_str().unwrap());
            let range = |range: &str| peer.ask(&Method::GET, &at, &[("range", range)], b"");
            for (asked, body, told) in [
                ("bytes=2-4", "234", "bytes 2-4/10"),
                ("bytes=7-", "789", "bytes 7-9/10"),
                ("bytes=-2", "89", "bytes 8-9/10"),
            ] {
                let reply = range(asked);
                assert_eq!(reply.is(206).body, body.as_bytes());
                assert_eq!(reply.header("content-range"), told);
            }
            assert_eq!(
                range("bytes=10-").is(416).header("content-range"),
                "bytes */10"
            );
        },
    );
}

/// spec.md#checking-if-content-exists-in-the-registry: a HEAD of an existing blob or manifest
/// MUST be 200 OK, and of another MUST be 404 Not Found.
#[test]
fn head_must_be_200_for_what_exists_and_404_for_what_does_not() {
    rule(&Docker::Same, |peer| {
        let manifest = image(peer, "a", "layer");
        put(peer, "a", "v1", &manifest).is(201);
        let accept = [("accept", media::MANIFEST)];
        let head = |at: &str| peer.ask(&Method::HEAD, at, &accept, b"");
        let reply = head("/v2/a/manifests/v1");
        let size = manifest.to_string().len().to_string();
        assert_eq!(reply.is(200).header("content-length"), size);
        let digest = manifest["layers"][0]["digest"].as_str().unwrap();
        assert_eq!(
            head(&format!("/v2/a/blobs/{digest}"))
                .is(200)
                .header("content-length"),
            "5"
        );
        head("/v2/a/manifests/v2").is(404);
        head(&format!("/v2/a/blobs/{}", Digest::of(b"nothing"))).is(404);
    });
}

// ── Push: #push ─────────────────────────────────────────────────────────────────────────────

/// spec.md#post-then-put: the POST MUST be 202 Accepted with a `Location`; the PUT MUST be
/// 201 Created with the `Location` of the blob.
#[test]
fn a_monolithic_push_must_be_202_then_201_with_locations() {
    rule(&Docker::Same, |peer| {
        let location = begin(peer, "a");
        assert!(location.contains("/v2/a/blobs/uploads/"), "{location}");
        let digest = Digest::of(b"layer");
        let reply = put_upload(peer, &location, &digest, b"layer");
        let blob = reply.is(201).header("location").to_owned();
        assert_eq!(peer.get(&blob).is(200).body, b"layer");
    });
}

/// spec.md#single-post: a POST with the digest and the content MUST be 201 Created, or
/// 202 Accepted where the registry goes on with a PUT; both with a `Location`.
#[test]
fn a_single_post_must_be_201_or_202() {
    rule(&Docker::Same, |peer| {
        let at = format!("/v2/a/blobs/uploads/?digest={}", Digest::of(b"layer"));
        let octets = [("content-type", "application/octet-stream")];
        let reply = peer.ask(&Method::POST, &at, &octets, b"layer");
        assert!([201, 202].contains(&reply.status), "{reply:?}");
        assert!(!reply.header("location").is_empty());
    });
}

/// spec.md#pushing-blobs: content that is not what the digest says is refused.
#[test]
fn content_of_another_digest_must_be_refused() {
    rule(&Docker::Same, |peer| {
        let other = Digest::of(b"other");
        let reply = put_upload(peer, &begin(peer, "a"), &other, b"layer");
        reply.refuses(400, "DIGEST_INVALID");
        peer.get(&format!("/v2/a/blobs/{other}")).is(404);
    });
}

/// spec.md#pushing-a-blob-in-chunks: each chunk MUST be 202 Accepted with `Location` and `Range`;
/// the end MUST be 201 Created.
#[test]
fn each_chunk_must_be_202_with_location_and_range() {
    rule(&Docker::Same, |peer| {
        let mut location = begin(peer, "a");
        for (range, chunk, told) in [("0-3", "0123", "0-3"), ("4-8", "45678", "0-8")] {
            let headers = [
                ("content-range", range),
                ("content-type", "application/octet-stream"),
            ];
            let reply = peer.ask(&Method::PATCH, &location, &headers, chunk.as_bytes());
            assert_eq!(reply.is(202).header("range"), told);
            reply.header("location").clone_into(&mut location);
        }
        let digest = Digest::of(b"0123456789");
        let reply = put_upload(peer, &location, &digest, b"9");
        let blob = reply.is(201).header("location").to_owned();
        assert_eq!(peer.get(&blob).is(200).body, b"0123456789");
    });
}

/// spec.md#pushing-a-blob-in-chunks: a chunk out of order MUST be 416 Requested Range Not
/// Satisfiable.
#[test]
fn a_chunk_out_of_order_must_be_416() {
    rule(
        &Docker::Differs("it does not look at Content-Range"),
        |peer| {
            let location = begin(peer, "a");
            let patch = |location: &str, range: &str, chunk: &str| {
                let headers = [
                    ("content-range", range),
                    ("content-type", "application/octet-stream"),
                ];
                peer.ask(&Method::PATCH, location, &headers, chunk.as_bytes())
            };
            patch(&location, "4-7", "4567").is(416);
            let location = patch(&location, "0-3", "0123")
                .is(202)
                .header("location")
                .to_owned();
            patch(&location, "0-3", "0123").is(416);
            patch(&location, "5-8", "5678").is(416);
            patch(&location, "4-7", "4567").is(202);
        },
    );
}

/// spec.md#pushing-a-blob-in-chunks: the status of an upload MUST be 204 No Content with
/// `Location` and `Range`.
#[test]
fn the_status_of_an_upload_must_be_204_with_location_and_range() {
    rule(&Docker::Same, |peer| {
        let location = begin(peer, "a");
        let octets = [("content-type", "application/octet-stream")];
        let reply = peer.ask(&Method::PATCH, &location, &octets, b"0123");
        let reply = peer.get(reply.is(202).header("location"));
        assert_eq!(reply.is(204).header("range"), "0-3");
        let location = reply.header("location").to_owned();
        put_upload(peer, &location, &Digest::of(b"0123"), b"").is(201);
        peer.get(&location).refuses(404, "BLOB_UPLOAD_UNKNOWN");
    });
}

/// An upload that was given up is over.
#[test]
fn a_cancelled_upload_is_over() {
    rule(&Docker::Same, |peer| {
        let location = begin(peer, "a");
        peer.ask(&Method::DELETE, &location, &[], b"").is(204);
        put_upload(peer, &location, &Digest::of(b"x"), b"x").refuses(404, "BLOB_UPLOAD_UNKNOWN");
    });
}

/// spec.md#mounting-a-blob-from-another-repository: a mount MUST be 201 Created with the
/// `Location` of the blob.
#[test]
fn a_mount_must_be_201_with_the_location_of_the_blob() {
    rule(&Docker::Same, |peer| {
        let manifest = image(peer, "a", "layer");
        put(peer, "a", "v1", &manifest).is(201);
        let digest = manifest["layers"][0]["digest"].as_str().unwrap();
        let at = format!("/v2/b/blobs/uploads/?mount={digest}&from=a");
        let reply = peer.ask(&Method::POST, &at, &[], b"");
        let blob = reply.is(201).header("location").to_owned();
        assert!(blob.contains("/v2/b/blobs/"), "{blob}");
        assert_eq!(peer.get(&blob).is(200).body, b"layer");
    });
}

/// spec.md#mounting-a-blob-from-another-repository: what cannot be mounted is an upload, 202.
#[test]
fn a_mount_that_cannot_be_must_begin_an_upload() {
    rule(&Docker::Same, |peer| {
        let digest = Digest::of(b"nothing");
        for query in [
            format!("mount={digest}&from=c"),
            "mount=x&from=c".to_owned(),
        ] {
            let at = format!("/v2/b/blobs/uploads/?{query}");
            let reply = peer.ask(&Method::POST, &at, &[], b"");
            assert!(!reply.is(202).header("location").is_empty());
        }
    });
}

/// spec.md#mounting-a-blob-from-another-repository: without `from`, the registry may find the
/// blob by itself.
#[test]
fn a_mount_without_from_finds_the_blob() {
    let why = "version 1.1 of the specification is younger";
    rule(&Docker::Differs(why), |peer| {
        let manifest = image(peer, "a", "layer");
        put(peer, "a", "v1", &manifest).is(201);
        let digest = manifest["layers"][0]["digest"].as_str().unwrap();
        let at = format!("/v2/b/blobs/uploads/?mount={digest}");
        peer.ask(&Method::POST, &at, &[], b"").is(201);
    });
}

/// spec.md#pushing-manifests: a push MUST be 201 Created with a `Location`, and the registry MUST
/// keep the very bytes.
#[test]
fn a_manifest_push_must_be_201_and_keep_the_very_bytes() {
    rule(&Docker::Same, |peer| {
        let manifest = image(peer, "a", "layer");
        // Bytes that no program would write again: white space, a field of somebody's own.
        let text = serde_json::to_string_pretty(&manifest).unwrap();
        let text = text.replacen('{', "{ \"mine\": [1,  2],\t", 1);
        let kind = [("content-type", media::MANIFEST)];
        let reply = peer.ask(&Method::PUT, "/v2/a/manifests/v1", &kind, text.as_bytes());
        let location = reply.is(201).header("location").to_owned();
        let accept = [("accept", media::MANIFEST)];
        assert_eq!(
            peer.ask(&Method::GET, &location, &accept, b"").is(200).body,
            text.as_bytes()
        );
    });
}

/// spec.md#pushing-manifests: a manifest under another digest than its own is refused.
#[test]
fn a_manifest_of_another_digest_must_be_refused() {
    rule(&Docker::Same, |peer| {
        let manifest = image(peer, "a", "layer");
        let other = Digest::of(b"other");
        put(peer, "a", other.as_str(), &manifest).refuses(400, "DIGEST_INVALID");
        let own = Digest::of(manifest.to_string().as_bytes());
        put(peer, "a", own.as_str(), &manifest).is(201);
    });
}

/// spec.md#pushing-manifests: a manifest that names what is not here is refused.
#[test]
fn a_manifest_whose_blobs_are_missing_must_be_refused() {
    rule(&Docker::Same, |peer| {
        let mut manifest = image(peer, "a", "layer");
        manifest["layers"][0]["digest"] = Digest::of(b"nothing").as_str().into();
        put(peer, "a", "v1", &manifest).refuses(400, "MANIFEST_BLOB_UNKNOWN");
        let missing = json!({
            "mediaType": media::MANIFEST, "digest": Digest::of(b"nothing"), "size": 7,
        });
        let index = json!({
            "schemaVersion": 2, "mediaType": media::INDEX, "manifests": [missing],
        });
        put(peer, "a", "v1", &index).refuses(400, "MANIFEST_BLOB_UNKNOWN");
    });
}

/// spec.md#pushing-manifests: a manifest above the limit is 413 Payload Too Large, and the limit
/// is at least 4 MiB.
#[test]
fn a_manifest_of_4_mib_is_taken_and_a_larger_one_must_be_413() {
    let why = "it says MANIFEST_INVALID with 400";
    rule(&Docker::Differs(why), |peer| {
        let mut manifest = image(peer, "a", "layer");
        manifest["annotations"] = json!({ "filler": "" });
        let room = (4 << 20) - manifest.to_string().len();
        manifest["annotations"]["filler"] = "x".repeat(room).into();
        put(peer, "a", "v1", &manifest).is(201);
        manifest["annotations"]["filler"] = "x".repeat(room + 1).into();
        put(peer, "a", "v2", &manifest).is(413);
    });
}

/// spec.md#pushing-manifests-with-subject: a manifest whose subject is not here MUST be taken, and
/// the answer MUST have `OCI-Subject`.
#[test]
fn a_manifest_with_an_unknown_subject_must_be_taken_with_oci_subject() {
    let why = "version 1.1 of the specification is younger";
    rule(&Docker::Differs(why), |peer| {
        let subject = Digest::of(b"comes later");
        let mut manifest = image(peer, "a", "layer");
        manifest["subject"] = json!({
            "mediaType": media::MANIFEST, "digest": subject, "size": 11,
        });
        let reply = put(peer, "a", "v1", &manifest);
        assert_eq!(reply.is(201).header("oci-subject"), subject.as_str());
    });
}

/// Docker's types of the same documents, which its own clients push.
#[test]
fn dockers_media_types_are_taken() {
    rule(&Docker::Same, |peer| {
        let mut manifest = image(peer, "a", "layer");
        manifest["mediaType"] = media::DOCKER_MANIFEST.into();
        manifest["config"]["mediaType"] = media::DOCKER_CONFIG.into();
        manifest["layers"][0]["mediaType"] = media::DOCKER_LAYER_GZIP.into();
        let digest = Digest::of(manifest.to_string().as_bytes());
        put(peer, "a", digest.as_str(), &manifest).is(201);
        let list = json!({
            "schemaVersion": 2, "mediaType": media::DOCKER_INDEX, "manifests": [{
                "mediaType": media::DOCKER_MANIFEST, "digest": digest,
                "size": manifest.to_string().len(),
                "platform": { "os": "linux", "architecture": "amd64" },
            }],
        });
        put(peer, "a", "v1", &list).is(201);
        let accept = [("accept", media::DOCKER_INDEX)];
        let reply = peer.ask(&Method::GET, "/v2/a/manifests/v1", &accept, b"");
        assert_eq!(reply.is(200).header("content-type"), media::DOCKER_INDEX);
        assert_eq!(reply.body, list.to_string().into_bytes());
    });
}

// ── Content discovery: #content-discovery ───────────────────────────────────────────────────

/// spec.md#listing-tags: the list MUST be 200 OK, with the tags in lexical order.
#[test]
fn the_list_of_tags_must_be_200_in_lexical_order() {
    rule(
        &Docker::Differs("its order is that of its directory"),
        |peer| {
            for tag in [
                "v2", "latest", "v10", "_1", "v1", "X", "x", "0", "1.0", "1-0", "1_0",
            ] {
                push(peer, "a", tag);
            }
            let reply = peer.get("/v2/a/tags/list");
            let tags = [
                "0", "1-0", "1.0", "1_0", "X", "_1", "latest", "v1", "v10", "v2", "x",
            ];
            let expected = json!({ "name": "a", "tags": tags });
            assert_eq!(reply.is(200).json(), expected);
            peer.get("/v2/b/tags/list").refuses(404, "NAME_UNKNOWN");
        },
    );
}

/// spec.md#listing-tags: with `n`, at most that many, from behind `last`; a `Link` leads on, and
/// only when there is more. `n=0` MUST be empty, without a `Link`.
#[test]
fn the_list_of_tags_must_come_in_pages() {
    rule(
        &Docker::Differs("it takes n for no limit, without a Link"),
        |peer| {
            for tag in ["a", "b", "c", "d", "e"] {
                push(peer, "team/app", tag);
            }
            let mut at = "/v2/team/app/tags/list?n=2".to_owned();
            let mut pages = Vec::new();
            loop {
                let reply = peer.get(&at);
                pages.push(reply.is(200).json()["tags"].clone());
                let link = reply.header("link");
                let Some(rest) = link.strip_prefix('<') else {
                    break;
                };
                let (next, relation) = rest.split_once('>').unwrap();
                assert_eq!(relation, "; rel=\"next\"");
                next.clone_into(&mut at);
            }
            assert_eq!(pages, [json!(["a", "b"]), json!(["c", "d"]), json!(["e"])]);
            let reply = peer.get("/v2/team/app/tags/list?n=0");
            assert_eq!(reply.is(200).json()["tags"], json!([]));
            assert_eq!(reply.header("link"), "");
            let reply = peer.get("/v2/team/app/tags/list?last=bb");
            assert_eq!(reply.is(200).json()["tags"], json!(["c", "d", "e"]));
        },
    );
}

/// spec.md#listing-referrers: the list MUST be 200 OK, an index; empty where nothing refers, and
/// MUST NOT be 404.
#[test]
fn the_list_of_referrers_must_be_an_index_and_never_404() {
    rule(
        &Docker::Differs("version 1.1 of the specification is younger"),
        |peer| {
            let at = format!("/v2/a/referrers/{}", Digest::of(b"nothing"));
            let reply = peer.get(&at);
            assert_eq!(reply.is(200).header("content-type"), media::INDEX);
            assert_eq!(reply.json()["manifests"], json!([]));
            assert_eq!(reply.json()["schemaVersion"], 2);
        },
    );
}

/// spec.md#listing-referrers: a digest that is none MUST be 400 Bad Request.
#[test]
fn referrers_of_what_is_no_digest_must_be_400() {
    rule(
        &Docker::Differs("version 1.1 of the specification is younger"),
        |peer| {
            peer.get("/v2/a/referrers/sha256:12").is(400);
        },
    );
}

/// spec.md#listing-referrers: `artifactType` MUST be the manifest's, or else its config's media
/// type; annotations MUST be those of the manifest. A filter MUST be told by
/// `OCI-Filters-Applied`.
#[test]
fn referrers_must_tell_type_and_annotations_and_filters_must_be_told() {
    rule(
        &Docker::Differs("version 1.1 of the specification is younger"),
        |peer| {
            let subject = image(peer, "a", "subject");
            put(peer, "a", "v1", &subject).is(201);
            let digest = Digest::of(subject.to_string().as_bytes());
            let subject = json!({
                "mediaType": media::MANIFEST, "digest": digest, "size": subject.to_string().len(),
            });
            let mut signature = image(peer, "a", "signature");
            signature["subject"] = subject.clone();
            signature["artifactType"] = "application/x.signature+json".into();
            signature["annotations"] = json!({ "by": "ann" });
            let mut report = image(peer, "a", "report");
            report["subject"] = subject.clone();
            report["config"]["mediaType"] = "application/x.report".into();
            let bundle = json!({
                "schemaVersion": 2, "mediaType": media::INDEX, "manifests": [], "subject": subject,
            });
            for manifest in [&signature, &report, &bundle] {
                let own = Digest::of(manifest.to_string().as_bytes());
                put(peer, "a", own.as_str(), manifest).is(201);
            }
            let at = format!("/v2/a/referrers/{digest}");
            let reply = peer.get(&at).json();
            let found = reply["manifests"].as_array().unwrap();
            assert_eq!(found.len(), 3, "{reply}");
            let of = |manifest: &Value| {
                let own = Digest::of(manifest.to_string().as_bytes());
                let mut all = found.iter();
                all.find(|d| d["digest"] == own.as_str()).unwrap().clone()
            };
            assert_eq!(
                of(&signature)["artifactType"],
                "application/x.signature+json"
            );
            assert_eq!(of(&signature)["annotations"], json!({ "by": "ann" }));
            assert_eq!(of(&signature)["size"], signature.to_string().len());
            assert_eq!(of(&report)["artifactType"], "application/x.report");
            assert_eq!(of(&bundle)["artifactType"], Value::Null);
            for value in [
                "application/x.signature+json",
                "application/x.signature%2Bjson",
            ] {
                let reply = peer.get(&format!("{at}?artifactType={value}"));
                assert_eq!(reply.is(200).header("oci-filters-applied"), "artifactType");
                assert_eq!(reply.json()["manifests"], json!([of(&signature)]));
            }
        },
    );
}

// ── Content management: #content-management ─────────────────────────────────────────────────

/// spec.md#deleting-tags: deleting a tag MUST be 202 Accepted, and it is gone; the manifest stays.
#[test]
fn deleting_a_tag_must_be_202() {
    let why = "it deletes manifests by digest only";
    rule(&Docker::Differs(why), |peer| {
        let digest = push(peer, "a", "v1");
        let delete = || peer.ask(&Method::DELETE, "/v2/a/manifests/v1", &[], b"");
        delete().is(202);
        peer.get("/v2/a/manifests/v1").is(404);
        peer.get(&format!("/v2/a/manifests/{digest}")).is(200);
        delete().is(404);
    });
}

/// spec.md#deleting-manifests: deleting a manifest MUST be 202 Accepted; one that is not there
/// MUST be 404 Not Found, in a repository that is not there, too.
#[test]
fn deleting_a_manifest_must_be_202_and_then_404() {
    rule(&Docker::Same, |peer| {
        let digest = push(peer, "a", "v1");
        let at = format!("/v2/a/manifests/{digest}");
        peer.ask(&Method::DELETE, &at, &[], b"").is(202);
        peer.get(&at).is(404);
        peer.get("/v2/a/manifests/v1").is(404);
        peer.ask(&Method::DELETE, &at, &[], b"").is(404);
        let at = format!("/v2/b/manifests/{digest}");
        peer.ask(&Method::DELETE, &at, &[], b"").is(404);
    });
}

/// spec.md#deleting-blobs: deleting a blob MUST be 202 Accepted; one that is not there MUST be
/// 404 Not Found.
#[test]
fn deleting_a_blob_must_be_202_and_then_404() {
    rule(&Docker::Same, |peer| {
        let blob = push_blob(peer, "a", b"layer");
        let at = format!("/v2/a/blobs/{}", blob["digest"].as_str().unwrap());
        peer.ask(&Method::DELETE, &at, &[], b"").is(202);
        peer.get(&at).refuses(404, "BLOB_UNKNOWN");
        peer.ask(&Method::DELETE, &at, &[], b"").is(404);
    });
}

/// spec.md#content-management: where deletion is disabled, the answer MUST be 400 or 405. It is,
/// on a registry that only reads.
#[test]
fn nothing_can_be_deleted_where_that_is_disabled() {
    let read_only = Settings {
        read_only: true,
        ..Settings::default()
    };
    let store = Arc::new(MemoryStore::new());
    let open = server(
        Arc::clone(&store) as _,
        Settings::default(),
        Access::default(),
    );
    let digest = push(&Peer { transport: &*open }, "a", "v1");
    let closed = server(store, read_only, Access::default());
    let peer = Peer {
        transport: &*closed,
    };
    for at in ["v1".to_owned(), digest.to_string()] {
        let at = format!("/v2/a/manifests/{at}");
        peer.ask(&Method::DELETE, &at, &[], b"").is(405);
        peer.get(&at).is(200);
    }
}

// ── The base, and errors: #api ──────────────────────────────────────────────────────────────

/// spec.md#determining-support: `GET /v2/` MUST be 200 OK where this version is supported.
#[test]
fn the_base_must_be_200() {
    rule(&Docker::Same, |peer| {
        let reply = peer.get("/v2/");
        assert_eq!(
            reply.is(200).header("docker-distribution-api-version"),
            "registry/2.0"
        );
    });
}

/// The codes of version 1.1, which knows no others.
const CODES: [&str; 14] = [
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
];

/// spec.md#error-codes: the code of an answer of 400 and above MUST be one of the specified ones.
#[test]
fn a_code_must_be_one_of_the_specified() {
    let why = "what it cannot read is not found for it, and not told in JSON";
    rule(&Docker::Differs(why), |peer| {
        for at in [
            "/v2/A/tags/list",
            "/v2/a/manifests/.a",
            "/v2/a/manifests/sha256:0",
            "/v2/a/blobs/sha256:0",
            "/v2/a/tags/list?n=many",
            "/v2/a/tags/list?n=-1",
            "/v2/a/referrers/nothing",
            "/v2/_catalog?n=many",
            "/v2/a/blobs/uploads/../up",
            "/v2/a/nothing",
        ] {
            let reply = peer.get(at);
            assert!((400..500).contains(&reply.status), "{at}: {}", reply.status);
            for error in reply.json()["errors"].as_array().unwrap() {
                let code = error["code"].as_str().unwrap();
                assert!(CODES.contains(&code), "{at}: {code}");
            }
        }
    });
}

/// spec.md#error-codes: errors in JSON MUST have the specified form, and codes MUST be upper-case
/// letters and underscores.
#[test]
fn errors_must_have_the_specified_form() {
    rule(&Docker::Same, |peer| {
        let digest = Digest::of(b"nothing");
        for at in [
            format!("/v2/a/blobs/{digest}"),
            "/v2/a/manifests/v1".to_owned(),
            "/v2/a/tags/list".to_owned(),
            "/v2/a/blobs/uploads/none".to_owned(),
        ] {
            let reply = peer.get(&at);
            assert_eq!(
                reply.is(404).header("content-type").split(';').next(),
                Some("application/json")
            );
            let reply = reply.json();
            let errors = reply["errors"].as_array().unwrap();
            assert!(!errors.is_empty());
            for error in errors {
                let code = error["code"].as_str().unwrap();
                assert!(
                    code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'),
                    "{code}"
                );
                assert!(error["message"].is_string());
            }
        }
    });
}

/// The list of repositories is no part of the specification any more; people ask for it all the
/// same, and get it in pages.
#[test]
fn the_list_of_repositories_comes_in_pages() {
    rule(&Docker::Same, |peer| {
        for name in ["b", "a/c", "a"] {
            push(peer, name, "v1");
        }
        let names = |at: &str| peer.get(at).is(200).json()["repositories"].clone();
        assert_eq!(names("/v2/_catalog"), json!(["a", "a/c", "b"]));
        let reply = peer.get("/v2/_catalog?n=2");
        assert_eq!(reply.json()["repositories"], json!(["a", "a/c"]));
        assert!(
            reply.header("link").contains("last=a"),
            "{}",
            reply.header("link")
        );
        assert_eq!(names("/v2/_catalog?n=2&last=a/c"), json!(["b"]));
    });
}
