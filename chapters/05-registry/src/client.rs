//! Pushing and pulling.

use coracle::digest::Digest;
use serde_json::Value;

use crate::token::{basic, challenge};
use crate::{Answer, Reference, Request, Result, Shelf, follow};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Somebody who asks registries.
#[derive(Debug, Default)]
pub struct Client {
    /// A name and a password, if there is need of them.
    pub user: Option<(String, String)>,
    /// Hosts that are asked at another address.
    pub connect_to: Vec<(String, String)>,
}

// ANCHOR: blob
/// A blob of an image, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Blob {
    /// Its name.
    pub digest: Digest,
    /// Its size in bytes, as the manifest says.
    pub size: u64,
}

/// What became of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was on the other side, or on this one, already.
    AlreadyExists,
    /// It was sent or fetched.
    Moved,
}
// ANCHOR_END: blob

impl Client {
    // ANCHOR: ask
    /// Sends a request, shows a token if the registry asks for one, and goes where answers lead.
    pub fn ask(&self, request: Request) -> Result<Answer> {
        self.ask_for(&request.host.clone(), request)
    }

    /// The same for a request that may begin where `registry` has led us.
    fn ask_for(&self, registry: &str, mut request: Request) -> Result<Answer> {
        let mut shown = false;
        for _ in 0..5 {
            let answer = self.once(&request)?;
            match (answer.status, answer.header("location")) {
                // Somebody to whom we were led may ask for a login, and gets none.
                (401, _) if request.host == registry && !shown => {
                    let wanted = answer.header("www-authenticate").unwrap_or_default();
                    let token = self.token(wanted)?;
                    request.headers.retain(|(name, _)| *name != "authorization");
                    request = request.with("authorization", token);
                    shown = true;
                }
                (301 | 302 | 307 | 308, Some(there)) => request = follow(&request, there)?,
                _ => return Ok(answer),
            }
        }
        Err(format!("{registry} leads in a ring").into())
    }
    // ANCHOR_END: ask

    fn once(&self, request: &Request) -> Result<Answer> {
        let elsewhere = self
            .connect_to
            .iter()
            .find(|(host, _)| *host == request.host);
        request.send(elsewhere.map_or(&request.host, |(_, address)| address))
    }

    // ANCHOR: token
    /// A token of the kind that a registry wants to see.
    fn token(&self, wanted: &str) -> Result<String> {
        let challenge = challenge(wanted)?;
        let start = Request::new("GET", "", "");
        let mut request = follow(&start, &challenge.realm)?;
        let (service, scope) = (&challenge.service, &challenge.scope);
        request.path = format!("{}?service={service}&scope={scope}", request.path);
        if let Some((user, password)) = &self.user {
            request = request.with("authorization", basic(user, password));
        }
        let answer = expect(self.once(&request)?, 200, "asking for a token")?;
        let answer: Value = serde_json::from_slice(&answer.body)?;
        let token = answer["token"]
            .as_str()
            .ok_or("the token server gives no token")?;
        Ok(format!("Bearer {token}"))
    }
    // ANCHOR_END: token

    // ANCHOR: has
    /// Whether a repository has a blob.
    fn has(&self, to: &Reference, blob: &Blob) -> Result<bool> {
        let head = request("HEAD", to, &format!("blobs/{}", blob.digest));
        Ok(self.ask(head)?.status == 200)
    }
    // ANCHOR_END: has

    // ANCHOR: upload
    /// Sends a blob: asks where to, and puts it there.
    fn upload(&self, to: &Reference, blob: &Blob, bytes: Vec<u8>) -> Result<()> {
        let begin = self.ask(request("POST", to, "blobs/uploads/"))?;
        let begin = expect(begin, 202, "beginning an upload")?;
        let location = begin
            .header("location")
            .ok_or("the registry does not say where to")?;
        let mut put = follow(&request("PUT", to, ""), location)?;
        let sign = if put.path.contains('?') { '&' } else { '?' };
        put.path = format!("{}{sign}digest={}", put.path, blob.digest);
        put.body = bytes;
        expect(self.ask_for(&to.registry, put)?, 201, "sending a blob")?;
        Ok(())
    }
    // ANCHOR_END: upload

    // ANCHOR: push
    /// Sends the image that `name` points to on a shelf, blobs first and the manifest last.
    pub fn push(&self, shelf: &Shelf, name: &str, to: &Reference) -> Result<Vec<(Blob, Fate)>> {
        let manifest = shelf.get(&shelf.resolve(name)?)?;
        // TASK 4: Send each blob that the registry has not, and then the manifest under its tag.
        let mut fates = Vec::new();
        for blob in blobs(&manifest)? {
            let fate = if self.has(to, &blob)? {
                Fate::AlreadyExists
            } else {
                self.upload(to, &blob, shelf.get(&blob.digest)?)?;
                Fate::Moved
            };
            fates.push((blob, fate));
        }
        let put = request("PUT", to, &format!("manifests/{}", to.tag));
        let mut put = put.with("content-type", MANIFEST);
        put.body = manifest;
        expect(self.ask(put)?, 201, "sending the manifest")?;
        Ok(fates)
        // TASK_END
    }
    // ANCHOR_END: push

    // ANCHOR: fetch
    /// The bytes of a manifest or a blob in a repository, whatever they are.
    pub fn fetch(&self, from: &Reference, rest: &str) -> Result<Vec<u8>> {
        let get = request("GET", from, rest).with("accept", MANIFEST);
        Ok(expect(self.ask(get)?, 200, &format!("fetching {rest}"))?.body)
    }
    // ANCHOR_END: fetch

    // ANCHOR: pull
    /// Fetches an image onto a shelf, and gives it a name there.
    pub fn pull(&self, shelf: &Shelf, from: &Reference, name: &str) -> Result<Vec<(Blob, Fate)>> {
        let manifest = self.fetch(from, &format!("manifests/{}", from.tag))?;
        // TASK 5: Fetch what is not here, keep it only if it is right, and name the manifest last.
        let mut fates = Vec::new();
        for blob in blobs(&manifest)? {
            let fate = if shelf.has(&blob.digest) {
                Fate::AlreadyExists
            } else {
                let bytes = self.fetch(from, &format!("blobs/{}", blob.digest))?;
                let found = Digest::of(&bytes);
                if found != blob.digest || bytes.len() as u64 != blob.size {
                    return Err(format!("{} came as {found}: it is not kept", blob.digest).into());
                }
                shelf.put(&bytes)?;
                Fate::Moved
            };
            fates.push((blob, fate));
        }
        let manifest = shelf.put(&manifest)?;
        shelf.tag(name, &manifest)?;
        Ok(fates)
        // TASK_END
    }
    // ANCHOR_END: pull
}

/// A request about something in a repository.
fn request(method: &'static str, at: &Reference, rest: &str) -> Request {
    let path = format!("/v2/{}/{rest}", at.repository);
    Request::new(method, &at.registry, path)
}

// ANCHOR: blobs
/// The blobs that a manifest names: the config, then the layers.
pub(crate) fn blobs(manifest: &[u8]) -> Result<Vec<Blob>> {
    let manifest: Value = serde_json::from_slice(manifest)?;
    let layers = manifest["layers"]
        .as_array()
        .ok_or("this is no manifest of an image")?;
    let blob = |pointer: &Value| {
        let digest = pointer["digest"]
            .as_str()
            .ok_or("a pointer has no digest")?;
        let size = pointer["size"].as_u64().ok_or("a pointer has no size")?;
        Ok(Blob {
            digest: digest.parse()?,
            size,
        })
    };
    std::iter::once(&manifest["config"])
        .chain(layers)
        .map(blob)
        .collect()
}
// ANCHOR_END: blobs

/// The answer, if it has the status that it should have.
fn expect(answer: Answer, status: u16, doing: &str) -> Result<Answer> {
    if answer.status == status {
        return Ok(answer);
    }
    let said = String::from_utf8_lossy(&answer.body);
    Err(format!("{doing}: the registry answers {} {said}", answer.status).into())
}
