//! Closes a connection if the client reads the response too slowly. hyper limits the time in which a request must arrive, and
//! does not limit the time in which a response must be read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A connection with a deadline for writes: at most `limit` may pass from the first write that has to wait until everything is
/// flushed.
pub(super) struct WriteDeadline<S> {
    stream: S,
    limit: Duration,
    deadline: Pin<Box<Sleep>>,
    is_waiting: bool,
}

impl<S> WriteDeadline<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, deadline: Box::pin(tokio::time::sleep(Duration::ZERO)), is_waiting: false }
    }

    /// Waits for the deadline; then an error.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if !self.is_waiting {
            self.is_waiting = true;
            self.deadline.as_mut().reset(Instant::now() + self.limit);
        }
        self.deadline.as_mut().poll(context).map(|()| io::ErrorKind::TimedOut.into())
    }

    /// The polled result, or an error after the deadline. Reading some of the bytes does not move the deadline.
    fn or_deadline<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_pending() { self.poll_deadline(context).map(Err) } else { polled }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteDeadline<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteDeadline<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.or_deadline(context, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(context, buffers);
        this.or_deadline(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(context);
        let watched = this.or_deadline(context, polled);
        if watched.is_ready() {
            this.is_waiting = false;
        }
        watched
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_shutdown(context);
        this.or_deadline(context, polled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_or_too_slowly_is_cut_off() {
        for pause in [Duration::from_hours(1), Duration::from_secs(2)] {
            let (ours, mut theirs) = tokio::io::duplex(16);
            let reader = tokio::spawn(async move {
                loop {
                    tokio::time::sleep(pause).await;
                    if theirs.read_u8().await.is_err() {
                        return;
                    }
                }
            });
            let began = Instant::now();
            let mut writer = WriteDeadline::new(ours, LIMIT);
            let error = writer.write_all(&[0; 1000]).await.expect_err("cut off");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(began.elapsed() >= LIMIT && began.elapsed() < LIMIT * 2, "{:?}", began.elapsed());
            reader.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_response_has_its_own_deadline() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let reader = tokio::spawn(async move {
            let mut taken = [0; 32];
            for _ in 0..5 {
                tokio::time::sleep(LIMIT / 2).await;
                theirs.read_exact(&mut taken).await.expect("a response");
            }
        });
        let mut writer = WriteDeadline::new(ours, LIMIT);
        for _ in 0..5 {
            writer.write_all(&[0; 32]).await.expect("in time");
            writer.flush().await.expect("in time");
        }
        reader.await.expect("read");
    }
}
