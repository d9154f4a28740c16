//! An authority of the test's own, and a certificate from it.

use crate::Sandbox;

/// Makes `ca.crt` of an authority, `other.crt` of another one, and `server.crt` and `server.key`
/// for these names, such as `DNS:localhost,IP:127.0.0.1`; all in the sandbox's folder.
pub fn make(sandbox: &Sandbox, names: &str) {
    let extensions = format!("subjectAltName={names}\nextendedKeyUsage=serverAuth\n");
    sandbox.file("ext", extensions);
    for line in [
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=test-ca \
         -addext keyUsage=critical,keyCertSign",
        "req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.crt -days 2 \
         -subj /CN=other-ca -addext keyUsage=critical,keyCertSign",
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server",
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext \
         -out server.crt",
    ] {
        let words = line.split_whitespace();
        sandbox.stagehand("openssl", words).run().succeeds();
    }
    for name in ["ca.crt", "other.crt", "server.crt", "server.key"] {
        sandbox.give(name);
    }
}
