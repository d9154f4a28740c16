//! `coracle registry serve`: a registry of one's own.

mod htpasswd;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coracle::registry::forward::Forward;
use coracle::registry::net::server::{self, Limits, Stop, Tls};
use coracle::registry::server::{Access, Outside, Server, Settings, Tokens, Upstream};
use coracle::store::layout::Layout;
use coracle::store::{Store, gc};
use nix::sys::signal::{SigSet, Signal};

use crate::collect;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::registries::{Registries, RegistryOptions};
use htpasswd::Htpasswd;

/// Serve images to other machines, and take theirs
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS]",
    after_help = "\
Examples:
  coracle registry serve
  coracle registry serve --listen 127.0.0.1:0 --store /srv/registry/store
  coracle registry serve --listen 0.0.0.0:443 --tls-cert a.pem --tls-key a.key
  coracle registry serve --htpasswd users --token-secret secret --anonymous-pull

A registry is a server that keeps images and shares them. A repository is one name in it,
such as team/app, under which versions of one image are kept, each with a tag. So
localhost:5000/team/app:v1 is the version v1 in the repository team/app of this registry.
Any client will do: coracle, docker, podman, skopeo. At / is a page for people.

Everything is kept in an OCI image layout, by default in registry/store below the state
directory. What is pushed to team/app is called localhost/team/app there; an image that
another tool has put there under a whole name, such as docker.io/library/python:3.12, is
served as the repository docker.io/library/python. Others may read and write the layout at
the same time. What nothing needs any more is removed while nobody is pushing.

--htpasswd lets only those in who are in the file: htpasswd -B -c users ann. With
--token-secret, clients show their password to the registry's own token server and get a
token for five minutes; the file has 32 bytes or more that nobody knows:
head -c 32 /dev/urandom > secret.

--mirror fetches what is asked for and not here from another registry, whole and checked,
and keeps it; `coracle login` says who one is there. A tag is looked up there each time,
and when the other registry cannot be asked, what is here is given out. Nothing can be
pushed to a mirror. localhost:5000/library/python is docker.io's python, then:
coracle registry serve --mirror docker.io.

A line on standard output says when the registry is ready, and its address. SIGTERM and
Ctrl-C finish what is under way; a second one does not."
)]
pub(crate) struct Options {
    /// Where to listen; port 0 chooses a free one
    #[arg(long, value_name = "address:port", default_value = "127.0.0.1:5000")]
    listen: String,
    /// The OCI image layout to keep everything in
    #[arg(long, value_name = "directory")]
    store: Option<PathBuf>,
    /// Users and their passwords, as htpasswd -B writes them
    #[arg(long, value_name = "file")]
    htpasswd: Option<PathBuf>,
    /// Give out tokens, signed with what is in this file
    #[arg(long, value_name = "file", requires = "htpasswd")]
    token_secret: Option<PathBuf>,
    /// Let everybody pull; only pushing and deleting need a user
    #[arg(long, requires = "htpasswd")]
    anonymous_pull: bool,
    /// The certificate for TLS, and those that vouch for it (PEM)
    #[arg(long, value_name = "file", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate (PEM)
    #[arg(long, value_name = "file", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Take nothing and delete nothing
    #[arg(long)]
    read_only: bool,
    /// Fetch what is asked for and not here from another registry, and keep it (implies --read-only)
    #[arg(long, value_name = "url")]
    mirror: Option<String>,
}

/// Serves until a signal comes.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let directory = match &options.store {
        Some(directory) => std::path::absolute(directory)
            .map_err(|e| Failure::io(format!("find {}", directory.display()), &e))?,
        None => context.root.join("registry/store"),
    };
    let store: Arc<dyn Store> = Arc::new(Layout::open(&directory)?);
    let tls = match (&options.tls_cert, &options.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls::read(certificate, key).map_err(Failure::new)?),
        _ => None,
    };
    let read_only = options.read_only || options.mirror.is_some();
    let settings = Settings {
        read_only,
        secure: tls.is_some(),
        ..Settings::default()
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let access = access(options)?;
    let listener = TcpListener::bind(&options.listen).map_err(|e| {
        Failure::io(format!("listen on {}", options.listen), &e)
            .hint("--listen takes ADDRESS:PORT; port 0 chooses a free one.")
    })?;
    let address = listener
        .local_addr()
        .map_err(|e| Failure::io("find the address", &e))?;
    warn(options, address);
    let mut server = Server::new(Arc::clone(&store), settings, access, outside());
    if let Some(address) = &options.mirror {
        server = server.mirroring(upstream(address)?);
    }
    let server = Arc::new(server);
    // Before any thread is there, so that every thread leaves the signals to the one that waits.
    let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
    signals
        .thread_block()
        .map_err(|e| Failure::new(format!("block signals: {e}")))?;
    let (stop, stopped) = server::stop();
    std::thread::spawn(move || wait_for_signals(&signals, &stop));
    let keeper = Keeper {
        server: Arc::clone(&server),
        store,
        state: state_of(&directory).map(|root| Context {
            root: root.to_owned(),
            platform: context.platform.clone(),
        }),
    };
    let (over, is_over) = mpsc::channel::<()>();
    let tending = std::thread::spawn(move || keeper.tend(&is_over, read_only));
    output::print(&format!(
        "registry on {scheme}://{address}, store {}\n",
        directory.display()
    ))?;
    let finished = server::serve(&server, listener, tls, &Limits::default(), stopped)
        .map_err(|e| Failure::io("serve", &e))?;
    drop(over);
    // A collection that is under way comes to its end; it is short.
    let _ = tending.join();
    if finished {
        Ok(0)
    } else {
        Err(Failure::new(
            "clients that were still at it after five minutes were cut off",
        ))
    }
}

fn access(options: &Options) -> Result<Access, Failure> {
    let users = match &options.htpasswd {
        None => return Ok(Access::default()),
        Some(path) => Htpasswd::read(path)?,
    };
    let tokens = match &options.token_secret {
        None => None,
        Some(path) => {
            let secret =
                fs::read(path).map_err(|e| Failure::io(format!("read {}", path.display()), &e))?;
            if secret.len() < 32 {
                let message = format!(
                    "{} has {} bytes, and a secret that cannot be guessed has 32 or more",
                    path.display(),
                    secret.len()
                );
                return Err(Failure::new(message).hint(format!(
                    "Make one: head -c 32 /dev/urandom > {}",
                    path.display()
                )));
            }
            Some(Tokens::new(secret, Duration::from_mins(5)))
        }
    };
    Ok(Access {
        users: Some(Arc::new(move |user, password| users.check(user, password))),
        anonymous_pull: options.anonymous_pull,
        tokens,
    })
}

/// The registry that is mirrored, asked with the credentials of `coracle login`.
fn upstream(address: &str) -> Result<Upstream, Failure> {
    let registries = Registries::read(&RegistryOptions::default(), &[])?;
    let forward = Forward::to(registries.for_ever()?, address)
        .map_err(|why| Failure::new(why).about(&format!("--mirror {address}")))?;
    let base = forward.base().to_owned();
    Ok(Upstream::new(Arc::new(forward), &base))
}

/// Says what others could do who should not.
fn warn(options: &Options, address: SocketAddr) {
    if address.ip().is_loopback() {
        return;
    }
    if options.htpasswd.is_none() && !options.read_only && options.mirror.is_none() {
        output::note(&output::warning(
            "everybody who reaches this machine can push and delete; --htpasswd asks for users\n",
        ));
    }
    if options.htpasswd.is_some() && options.tls_cert.is_none() {
        output::note(&output::warning(
            "passwords go over the network for all to read; --tls-cert and --tls-key hide them\n",
        ));
    }
}

fn outside() -> Outside {
    Outside {
        now: Box::new(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.unwrap_or_default()
        }),
        random: Box::new(|| {
            let mut bytes = [0; 16];
            // Without randomness there is nothing that this process could go on with.
            getrandom::fill(&mut bytes).expect("the system has randomness");
            format!("{:032x}", u128::from_ne_bytes(bytes))
        }),
        log: Box::new(|error| output::note(&format!("coracle: {error}\n"))),
    }
}

/// The first signal ends the server, the second the process.
fn wait_for_signals(signals: &SigSet, stop: &Stop) {
    if signals.wait().is_ok() {
        output::note("finishing what is under way; once more ends it now\n");
        stop.now();
    }
    if let Ok(signal) = signals.wait() {
        std::process::exit(128 + signal as i32);
    }
}

/// The state directory that has this store, if one has: there it is called `store`.
fn state_of(store: &Path) -> Option<&Path> {
    store.parent().filter(|_| store.ends_with("store"))
}

/// Ends what nobody goes on with, and takes away what nothing needs.
struct Keeper {
    server: Arc<Server>,
    store: Arc<dyn Store>,
    /// The state directory that the store is part of, in which builds and containers need blobs,
    /// too.
    state: Option<Context>,
}

impl Keeper {
    /// Looks after the store until the channel is closed.
    fn tend(&self, is_over: &mpsc::Receiver<()>, read_only: bool) {
        const INTERVAL: Duration = Duration::from_secs(2);
        // Whoever was here before may have been killed.
        let mut wanted = true;
        while is_over.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            wanted |= self.server.tend();
            if wanted && !read_only {
                match self.collect() {
                    Ok(done) => wanted = !done,
                    Err(failure) => {
                        failure.report(false);
                        wanted = false;
                    }
                }
            }
        }
    }

    /// Whether nobody held the store, so that what nothing needs is gone.
    fn collect(&self) -> Result<bool, Failure> {
        let Some(alone) = self.store.alone()? else {
            return Ok(false);
        };
        let roots = match &self.state {
            Some(state) => collect::roots(state)?,
            None => Vec::new(),
        };
        gc::collect_alone(&*self.store, &roots, &alone)?;
        Ok(true)
    }
}
