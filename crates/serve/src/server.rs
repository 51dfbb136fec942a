//! The server: from its configuration to its end.

use std::{
    fmt, fs, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
#[cfg(unix)]
use tokio::signal::unix::{self, SignalKind};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::{Notify, Semaphore},
    task::spawn_blocking,
    time::{sleep, timeout},
};

use crate::{
    ServeError,
    app::{App, Log},
    config::ServeConfig,
    http::router,
    keys::Keys,
    metrics::Metrics,
    models::Models,
};

/// Time for the head of a request, and for a connection that asks for nothing.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// Time for which a client may read nothing of what was sent.
#[cfg(target_os = "linux")]
const READING_TIME: Duration = Duration::from_secs(30);

/// Time for what still runs after the grace.
const END_TIME: Duration = Duration::from_secs(5);

/// Room on the stacks of threads that run models: as much as the main thread has.
const STACK_BYTES: usize = 8 << 20;

/// A server whose models are loaded and whose port is taken.
pub struct Server {
    app: Arc<App>,
    runtime: Runtime,
    listener: TcpListener,
    router: Router,
    stop: Arc<Notify>,
    hangup: Option<Hangup>,
}

/// Ends a server from another thread.
#[derive(Debug, Clone)]
pub struct Stop(Arc<Notify>);

impl Stop {
    /// Takes no more requests, lets those that run finish, and ends.
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

impl Server {
    /// Loads the models of a configuration, and listens. `log` gets what its operator is to know.
    ///
    /// # Errors
    /// [`ServeError`]: a model does not load, or its kind is not served; keys or origins are none; the address is taken.
    pub fn new(config: ServeConfig, log: impl Fn(&str) + Send + Sync + 'static) -> Result<Self, ServeError> {
        if config.models.is_empty() && config.runs.is_none() {
            return Err(ServeError::Nothing);
        }
        if let Some(path) = &config.runs {
            fs::read_dir(path).map_err(|cause| ServeError::Read { path: path.clone(), cause })?;
        }
        // A thread for each request that is worked on, and some for files.
        let n_threads = config.limits.running.max(1) * config.models.len().max(1) + 16;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(n_threads)
            .thread_stack_size(STACK_BYTES)
            .thread_name("http")
            .enable_all()
            .build()
            .map_err(ServeError::Start)?;
        // Before the models, which take their time: SIGHUP ends a process that does not hear it.
        let hangup = runtime.block_on(async { hangup(config.signals) }).map_err(ServeError::Start)?;
        let keys = config.keys.as_deref().map(Keys::read).transpose()?;
        let metrics = Metrics::new();
        let models = Models::load(&config, &metrics)?;
        let address = config.address;
        let listen = async { TcpListener::bind(address).await };
        let listener = runtime.block_on(listen).map_err(|cause| ServeError::Bind { address, cause })?;
        let app = Arc::new(App {
            config,
            models,
            metrics,
            keys,
            log: Arc::new(log) as Log,
            is_draining: AtomicBool::new(false),
            is_ending: Arc::default(),
        });
        let router = router(&app)?;
        Ok(Self { app, runtime, listener, router, stop: Arc::default(), hangup })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// [`ServeError::Start`] if the system does not say it.
    pub fn address(&self) -> Result<SocketAddr, ServeError> {
        self.listener.local_addr().map_err(ServeError::Start)
    }

    /// The names of the models, with their kinds.
    pub fn models(&self) -> Vec<(String, &'static str)> {
        self.app.models.all().iter().map(|served| (served.name.clone(), served.facts.kind)).collect()
    }

    /// What ends it from another thread.
    pub fn stopper(&self) -> Stop {
        Stop(Arc::clone(&self.stop))
    }

    /// Serves until it is told to end: by [`Stop`], or by a signal, with [`ServeConfig::signals`]. What runs then may go on for
    /// [`ServeConfig::grace`].
    ///
    /// # Errors
    /// [`ServeError::Start`] if the system gives no signals.
    pub fn run(self) -> Result<(), ServeError> {
        let Self { app, runtime, listener, router, stop, hangup } = self;
        let served = runtime.block_on(serve(&app, listener, router, &stop, hangup));
        runtime.shutdown_timeout(END_TIME);
        served
    }
}

/// Takes connections until the end, and then waits for those that are open.
async fn serve(
    app: &Arc<App>,
    listener: TcpListener,
    router: Router,
    stop: &Notify,
    hangup: Option<Hangup>,
) -> Result<(), ServeError> {
    let mut told = Signals::new(hangup).map_err(ServeError::Start)?;
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(app.config.limits.connections.max(1)));
    loop {
        let accept = async {
            let place = Arc::clone(&places).acquire_owned().await.expect("never closed");
            (listener.accept().await, place)
        };
        tokio::select! {
            (accepted, place) = accept => match accepted {
                Ok((stream, _)) => {
                    let service = TowerToHyperService::new(router.clone());
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(HEAD_TIME)
                        .serve_connection(TokioIo::new(tuned(stream)), service);
                    let connection = connections.watch(connection);
                    let open = Open::new(Arc::clone(app));
                    tokio::spawn(async move {
                        // Errors of a connection are its client's.
                        let _ = connection.await;
                        drop((open, place));
                    });
                }
                // Too many open files, for example: it passes.
                Err(_) => sleep(Duration::from_millis(50)).await,
            },
            signal = told.next() => match signal {
                Signal::Reload => drop(spawn_blocking({
                    let app = Arc::clone(app);
                    move || app.reload()
                })),
                Signal::End => break,
            },
            () = stop.notified() => break,
        }
    }
    drop(listener);
    app.is_draining.store(true, Ordering::Relaxed);
    let grace = app.config.grace;
    if timeout(grace, connections.shutdown()).await.is_err() {
        (app.log)(&format!("some requests were not finished within the grace of {} s", grace.as_secs()));
        app.is_ending.store(true, Ordering::Relaxed);
        // Searches end at their next step, and their clients are told so.
        sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

/// A connection, counted while it is open.
struct Open(Arc<App>);

impl Open {
    fn new(app: Arc<App>) -> Self {
        app.metrics.connections.inc();
        Self(app)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.connections.dec();
    }
}

/// A connection that sends at once, and that ends if nothing of that is read.
fn tuned(stream: TcpStream) -> TcpStream {
    // Both only serve speed and order; without them it works.
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(READING_TIME));
    stream
}

/// What the system tells the process.
enum Signal {
    Reload,
    End,
}

/// Where SIGHUP comes from.
#[cfg(unix)]
type Hangup = unix::Signal;

/// As above, where there is no such signal.
#[cfg(not(unix))]
type Hangup = ();

/// Hears SIGHUP from now on, if signals are for this server.
#[cfg(unix)]
fn hangup(are_heard: bool) -> io::Result<Option<Hangup>> {
    are_heard.then(|| unix::signal(SignalKind::hangup())).transpose()
}

#[cfg(not(unix))]
fn hangup(are_heard: bool) -> io::Result<Option<Hangup>> {
    Ok(are_heard.then_some(()))
}

/// Where signals come from; nowhere, if they are not for this server.
#[cfg(unix)]
struct Signals(Option<[unix::Signal; 3]>);

#[cfg(unix)]
impl Signals {
    /// Those that end the server end the process at once until now.
    fn new(hangup: Option<Hangup>) -> io::Result<Self> {
        let all = |hangup| -> io::Result<_> {
            Ok([hangup, unix::signal(SignalKind::terminate())?, unix::signal(SignalKind::interrupt())?])
        };
        hangup.map(all).transpose().map(Self)
    }

    async fn next(&mut self) -> Signal {
        let Some([hangup, terminate, interrupt]) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = hangup.recv() => Signal::Reload,
            _ = terminate.recv() => Signal::End,
            _ = interrupt.recv() => Signal::End,
        }
    }
}

/// As above, where Ctrl-C is the only signal.
#[cfg(not(unix))]
struct Signals(bool);

#[cfg(not(unix))]
impl Signals {
    fn new(hangup: Option<Hangup>) -> io::Result<Self> {
        Ok(Self(hangup.is_some()))
    }

    async fn next(&mut self) -> Signal {
        match self.0 && tokio::signal::ctrl_c().await.is_ok() {
            true => Signal::End,
            false => std::future::pending().await,
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("config", &self.app.config)
            .field("models", &self.models())
            .finish_non_exhaustive()
    }
}
