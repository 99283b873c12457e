//! Addresses where nobody listens yet.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// An address that nobody listens on.
pub(crate) fn closed_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap()
}

/// Forwards connections for as long as the result lives.
pub(crate) async fn forward(from: SocketAddr, to: &str) -> JoinSet<()> {
    let listener = TcpListener::bind(from).await.unwrap();
    let to = to.to_owned();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut inward, _)) = listener.accept().await {
            let to = to.clone();
            connections.spawn(async move {
                if let Ok(mut outward) = TcpStream::connect(to).await {
                    // Whoever hangs up ends it.
                    let _ = copy_bidirectional(&mut inward, &mut outward).await;
                }
            });
        }
    });
    tasks
}
