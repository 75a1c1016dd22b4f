//! `tenon serve`: the rooms, the port, the admin socket; from an empty directory to serving, and back in order.

use std::io::{ErrorKind, IsTerminal};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;
use tenon_base::Clock;
use tenon_gateway::{Gateway, GatewayError, GatewayOptions, TlsSource};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admin::operate::Operator;
use crate::admin::socket;
use crate::cli::Serve;
use crate::command::configuration;
use crate::config::{Config, Tls};
use crate::demo::{Demo, Playing};
use crate::error::ServerError;
use crate::house::{Ground, House, Raised, node};
use crate::{links, output};

mod figures;
mod observe;
mod pages;

/// Runs until a signal, or until a loop fails.
pub(crate) async fn serve(args: Serve) -> Result<ExitCode, ServerError> {
    run(args, None).await
}

/// The same, with a demonstration played in it.
pub(crate) async fn run(args: Serve, demo: Option<Demo>) -> Result<ExitCode, ServerError> {
    let config = configuration::config(args.data.config.as_deref(), &flags(&args))?;
    trace(&config);
    let web = match &args.web_dir {
        Some(path) => pages::Files::read(path)
            .map_err(|source| ServerError::Io { path: path.clone(), source })?,
        None => pages::Files::embedded(),
    };
    let started = tokio::time::Instant::now();
    let raised = Raised::raise(open(&args, &config).await?, &config).await?;
    let options = gateway_options(&config, raised.ground().data.path());
    let metrics = tenon_gateway::Metrics::new(raised.registry())?;
    let (gateway, multicast) = Gateway::new(options, doors(&raised), metrics.clone());
    // The port is taken before the replay, so that a port in use is told at once; nobody is answered before it ends.
    let listening = gateway.listen().await.map_err(cannot_listen)?;
    let mut house = raised.run(multicast).await?;
    house.start_rotation();

    let (stop, stopped) = watch::channel(false);
    let feeding = figures::start(&house, metrics, stopped.clone());
    let playing = Demo::start(demo, &house, stopped.clone()).await?;
    let data = house.ground().data.path().to_owned();
    let public = links::public_url(&config, listening.address());
    let setup = links::open(&house.admin(), &data, &public, stopped.clone()).await?;
    let operator = Arc::new(Operator::of(&house, &public));
    let administration =
        tokio::spawn(socket::serve(socket::bind(&data)?, operator, stopped.clone()));
    let observer = observe::start(&config, &house, stop.clone()).await?;
    let fingerprint = listening.fingerprint().map(str::to_owned);
    let is_local = listening.address().ip().is_loopback();
    let extra = extra(web, playing.as_ref(), is_local);
    let serving = tokio::spawn(listening.serve(stopped.clone(), extra));
    ready_file(&args, (&public, setup.as_deref()), observer, fingerprint.as_deref())?;
    let told = playing.as_ref().map(|playing| (playing, is_local));
    tell(&args, (&public, setup.as_deref()), fingerprint.as_deref(), told);
    tracing::info!(took_ms = started.elapsed().as_millis(), url = public, "serving");

    let ended = wait(&mut house, stop.clone()).await;
    stop.send_replace(true);
    tracing::info!("stopping");
    quiet(serving, playing, feeding).await;
    administration.abort();
    match std::fs::remove_file(crate::admin::socket_path(&data)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the administrative socket stays");
        }
        _ => {}
    }
    let closed = house.close().await;
    ended?;
    closed?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Takes the data directory and says in what state it was found.
async fn open(args: &Serve, config: &Config) -> Result<Ground, ServerError> {
    let (path, settings) = (args.data.data.clone(), config.clone());
    let ground = tokio::task::spawn_blocking(move || Ground::open(&path, &settings))
        .await
        .map_err(|_| ServerError::Panicked)??;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        data = %ground.data.path().display(),
        recovery = ?crate::house::describe(&ground.report),
        "opened"
    );
    crate::house::tell_damage(&ground.report);
    Ok(ground)
}

/// The rooms as the gateway sees them.
fn doors(raised: &Raised) -> tenon_gateway::Doors {
    tenon_gateway::Doors {
        admission: Arc::new(raised.receiver.clone()),
        accounts: Arc::new(raised.receiver.clone()),
        supervision: Arc::new(raised.receiver.clone()),
        users: raised.users(),
        conversations: raised.conversations(),
        clock: Arc::clone(&raised.ground().clock) as Arc<dyn Clock>,
    }
}

/// A port that is taken is told with its mend; the rest says for itself what is wrong.
fn cannot_listen(error: GatewayError) -> ServerError {
    match error {
        GatewayError::Listen { address, source } if source.kind() == ErrorKind::AddrInUse => {
            ServerError::Port(address)
        }
        other => ServerError::Gateway(other.to_string()),
    }
}

/// Waits until nobody is served and nothing is played any more.
async fn quiet(serving: JoinHandle<()>, playing: Option<Playing>, feeding: JoinHandle<()>) {
    if serving.await.is_err() {
        tracing::error!("the gateway panicked");
    }
    if let Some(playing) = playing {
        playing.ended().await;
    }
    if feeding.await.is_err() {
        tracing::error!("the live figures panicked");
    }
}

fn flags(args: &Serve) -> Vec<(&'static str, String)> {
    let path = |p: &Option<PathBuf>| p.as_ref().map(|p| p.display().to_string());
    let all = [
        ("listen", args.listen.clone()),
        ("admin-listen", args.admin_listen.clone()),
        ("tls-cert", path(&args.tls_cert)),
        ("tls-key", path(&args.tls_key)),
        ("tls-self-made", args.tls_self_made.then(|| "true".to_owned())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn trace(config: &Config) {
    let filter = config.trace.parse::<tracing_subscriber::EnvFilter>().unwrap_or_default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(true);
    let set = if config.trace_json { subscriber.json().try_init() } else { subscriber.try_init() };
    if set.is_err() {
        tracing::debug!("a subscriber was set before");
    }
}

fn gateway_options(config: &Config, data: &Path) -> GatewayOptions {
    let mut options = GatewayOptions::new(config.listen);
    options.tls = match &config.tls {
        Tls::Plain => TlsSource::Off,
        Tls::Files(certificate, key) => {
            TlsSource::Files { certificate: certificate.clone(), key: key.clone() }
        }
        Tls::SelfMade => TlsSource::SelfMade {
            folder: data.to_owned(),
            names: vec!["localhost".into(), config.listen.ip().to_string()],
        },
    };
    options.plain_anywhere = config.behind_proxy;
    options.proxies.clone_from(&config.proxies);
    options.origins.clone_from(&config.origins);
    options.public_url.clone_from(&config.public_url);
    options.gate.connections_max = config.connections;
    options
}

/// What answers beside the gateway's own paths: web pages, and in a demonstration on this machine the way in.
fn extra(web: pages::Files, playing: Option<&Playing>, is_local: bool) -> axum::Router {
    match playing {
        Some(playing) if is_local => pages::router(web).merge(playing.routes()),
        _ => pages::router(web),
    }
}

/// Says in the ready file that it serves.
fn ready_file(
    args: &Serve,
    (public, setup): (&str, Option<&str>),
    observer: Option<SocketAddr>,
    fingerprint: Option<&str>,
) -> Result<(), ServerError> {
    let Some(path) = &args.ready_file else { return Ok(()) };
    let admin_url = observer.map(|address| format!("http://{address}"));
    let ready = json!({
        "pid": std::process::id(),
        "version": env!("CARGO_PKG_VERSION"),
        "public_url": public,
        "admin_url": admin_url,
        "setup_url": setup,
        "certificate_sha256": fingerprint,
    });
    node::write_private(path, ready.to_string().as_bytes())
        .map_err(|source| ServerError::Io { path: path.clone(), source })
}

/// Says on standard output that it serves.
fn tell(
    args: &Serve,
    (public, setup): (&str, Option<&str>),
    fingerprint: Option<&str>,
    demo: Option<(&Playing, bool)>,
) {
    let data = args.data.data.display();
    output::line(&format!("tenon {} on {data}", env!("CARGO_PKG_VERSION")));
    if let Some(fingerprint) = fingerprint {
        output::line(&format!("certificate SHA-256 {fingerprint}"));
    }
    match demo {
        Some((playing, is_local)) => playing.tell(public, is_local),
        None if setup.is_none() => output::line(&format!("next: tenon user invite --data {data}")),
        None => {}
    }
    output::line(&format!("tenon ready {public}"));
    if let Some(setup) = setup {
        output::line("next: open this link in a browser; it is good for 30 minutes, once");
        output::line(&format!("  {setup}"));
        output::line(&format!("  a new one: tenon admin link --data {data}"));
    }
}

/// Ends on SIGINT, SIGTERM, a drain order, or with the error of a loop.
async fn wait(house: &mut House, stop: watch::Sender<bool>) -> Result<(), ServerError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Thread)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServerError::Thread)?;
    let mut drained = stop.subscribe();
    tokio::select! {
        error = house.failure() => {
            tracing::error!(%error, "a loop ended; stopping, so that nothing is served that cannot be kept");
            Err(error)
        }
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        _ = drained.wait_for(|stop| *stop) => Ok(()),
    }
}
