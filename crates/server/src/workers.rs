//! One thread with a runtime of its own for each core: what a connection asks is answered where the connection lives.
//! Between threads that share their work, half the time of a short answer goes into waking one another.

use std::{
    io,
    net::SocketAddr,
    num::NonZero,
    thread::{self, available_parallelism},
};

use axum::{Router, extract::connect_info::Connected, serve::IncomingStream};
use tokio::{
    net::TcpStream,
    runtime,
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

/// How many connections may wait for one thread before the next waits at the door.
const QUEUE_LEN: usize = 128;

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
    connections: mpsc::Receiver<(std::net::TcpStream, SocketAddr)>,
    local_addr: SocketAddr,
}

impl axum::serve::Listener for Queue {
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
        // The server is ending, and there will be none.
        std::future::pending().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local_addr)
    }
}

/// Serves what `listener` accepts until `told`, and then lets the requests in progress finish.
pub(crate) async fn serve(
    router: &Router,
    mut listener: impl axum::serve::Listener<Io = TcpStream, Addr = SocketAddr>,
    told: watch::Receiver<bool>,
) -> io::Result<()> {
    let local_addr = listener.local_addr()?;
    let mut queues = Vec::new();
    let mut working = JoinSet::new();
    for number in 1..=available_parallelism().map_or(1, NonZero::get) {
        let (queue, connections) = mpsc::channel(QUEUE_LEN);
        queues.push(queue);
        working.spawn(start(number, router.clone(), Queue { connections, local_addr }, told.clone())?);
    }
    let hand_out = async {
        for queue in queues.iter().cycle() {
            let (stream, address) = listener.accept().await;
            // Either fails only where the connection, or the server, has ended already.
            if let Ok(stream) = stream.into_std() {
                let _ = queue.send((stream, address)).await;
            }
        }
    };
    tokio::select! {
        () = hand_out => {}
        () = is_told(told) => {}
    }
    drop(listener);
    while let Some(ended) = working.join_next().await {
        match ended {
            Ok(Ok(served)) => served?,
            Ok(Err(_)) | Err(_) => return Err(io::Error::other("a thread of the server has ended")),
        }
    }
    Ok(())
}

/// Starts a thread that serves one queue; what is returned comes true once it has.
fn start(
    number: usize,
    router: Router,
    queue: Queue,
    told: watch::Receiver<bool>,
) -> io::Result<oneshot::Receiver<io::Result<()>>> {
    let (tell_end, ended) = oneshot::channel();
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let work = async {
        let service = router.into_make_service_with_connect_info::<Peer>();
        let served = axum::serve(queue, service).with_graceful_shutdown(is_told(told)).await;
        // Fails where nobody waits any more.
        let _ = tell_end.send(served);
        // What this runtime drives, a connection to the database say, others may still use.
        std::future::pending::<()>().await;
    };
    thread::Builder::new().name(format!("worker-{number}")).spawn(move || runtime.block_on(work))?;
    Ok(ended)
}

/// Waits until the server is told to end.
pub(crate) async fn is_told(mut told: watch::Receiver<bool>) {
    // Fails only once nobody could tell any more.
    let _ = told.wait_for(|told| *told).await;
}
