//! One thread with a runtime of its own for each core: what a connection asks is answered where the connection lives,
//! since threads that share their work wake one another for every short answer. For a server on its embedded database.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    num::NonZero,
    thread::{self, available_parallelism},
};

use axum::{
    Router,
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    net::TcpStream,
    runtime,
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Connected<IncomingStream<'_, Queue>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Queue>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Connections that were accepted for one thread.
pub(crate) struct Queue {
    connections: mpsc::UnboundedReceiver<(std::net::TcpStream, SocketAddr)>,
    local_addr: SocketAddr,
    /// Dropped once there will be no more.
    open: Option<oneshot::Sender<Infallible>>,
}

impl Listener for Queue {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        while let Some((stream, address)) = self.connections.recv().await {
            match TcpStream::from_std(stream) {
                Ok(stream) => return (stream, address),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "a connection cannot be served");
                }
            }
        }
        self.open = None;
        std::future::pending().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local_addr)
    }
}

/// Serves what `listener` accepts until `told`, and then lets the requests in progress finish.
pub(crate) async fn serve(
    router: &Router,
    mut listener: impl Listener<Io = TcpStream, Addr = SocketAddr>,
    told: watch::Receiver<bool>,
) -> io::Result<()> {
    let local_addr = listener.local_addr()?;
    let mut queues = Vec::new();
    let mut working = JoinSet::new();
    for number in 1..=available_parallelism().map_or(1, NonZero::get) {
        let (queue, connections) = mpsc::unbounded_channel();
        queues.push(queue);
        working.spawn(start(number, router.clone(), connections, local_addr)?);
    }
    let hand_out = async {
        for queue in queues.iter().cycle() {
            let (stream, address) = listener.accept().await;
            // Either fails only where the connection, or its thread, has ended.
            if let Ok(stream) = stream.into_std() {
                let _ = queue.send((stream, address));
            }
        }
    };
    let mut ended = tokio::select! {
        () = hand_out => None,
        () = is_told(told) => None,
        // Before it should.
        ended = working.join_next() => ended,
    };
    drop((listener, queues));
    if ended.is_none() {
        ended = working.join_next().await;
    }
    while let Some(served) = ended {
        served.map_err(io::Error::other)?.map_err(io::Error::other)??;
        ended = working.join_next().await;
    }
    Ok(())
}

/// Starts a thread that serves one queue; what is returned comes true once the queue is closed and its requests answered.
fn start(
    number: usize,
    router: Router,
    connections: mpsc::UnboundedReceiver<(std::net::TcpStream, SocketAddr)>,
    local_addr: SocketAddr,
) -> io::Result<oneshot::Receiver<io::Result<()>>> {
    let (tell_end, ended) = oneshot::channel();
    let (open, closed) = oneshot::channel();
    let work = async move {
        let queue = Queue { connections, local_addr, open: Some(open) };
        let service = router.into_make_service_with_connect_info::<Peer>();
        // Nothing is ever sent: it is dropped.
        let closed = async { drop(closed.await) };
        axum::serve(queue, service).with_graceful_shutdown(closed).await
    };
    thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(tell_end.send(Err(error))),
        };
        runtime.block_on(async {
            // Fails where nobody waits any more.
            let _ = tell_end.send(work.await);
            // What this runtime drives, a connection to the database say, others may still use.
            std::future::pending::<()>().await;
        });
    })?;
    Ok(ended)
}

/// Waits until the server is told to end.
pub(crate) async fn is_told(mut told: watch::Receiver<bool>) {
    // Fails only once nobody could tell any more.
    let _ = told.wait_for(|told| *told).await;
}
