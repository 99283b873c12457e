//! Addresses where nobody listens yet.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// An address that nobody listens on.
pub(crate) fn closed_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap()
}

/// Forwards connections for as long as the result lives.
pub(crate) async fn forward(from: SocketAddr, to: &str) -> JoinSet<()> {
    let (_open, always) = watch::channel(true);
    forward_while(from, to, always).await
}

/// The same, until it is closed: then nothing gets through, and nobody is told.
pub(crate) async fn forward_while(
    from: SocketAddr,
    to: &str,
    is_open: watch::Receiver<bool>,
) -> JoinSet<()> {
    let listener = TcpListener::bind(from).await.unwrap();
    let to = to.to_owned();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut inward, _)) = listener.accept().await {
            let (to, mut is_open) = (to.clone(), is_open.clone());
            connections.spawn(async move {
                if let Ok(mut outward) = TcpStream::connect(to).await {
                    let closed = async {
                        // Who can't close it any more leaves it open.
                        if is_open.wait_for(|open| !open).await.is_err() {
                            std::future::pending::<()>().await;
                        }
                    };
                    tokio::select! {
                        // Whoever hangs up ends it.
                        _ = copy_bidirectional(&mut inward, &mut outward) => {}
                        () = closed => std::future::pending().await,
                    }
                }
            });
        }
    });
    tasks
}
