//! Connections in the program's own hands: a writer for whole responses, and a stream for another protocol.

use std::io::{self, Read, Write};

use crate::live::Live;

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 8 << 10;

/// Both [`Read`] and [`Write`]: what [`Request::upgrade`](crate::Request::upgrade) answers.
pub trait ReadWrite: Read + Write {}

impl<T> ReadWrite for T where T: Read + Write {}

/// Writes `bytes` in the end: at once when there are many, else when it is flushed.
fn write(live: &mut Live, bytes: &[u8]) -> io::Result<usize> {
    live.connection.output_mut().extend_from_slice(bytes);
    if live.connection.unsent() >= BUFFER_BYTES {
        flush(live)?;
    }
    Ok(bytes.len())
}

fn flush(live: &mut Live) -> io::Result<()> {
    live.with_limits(|connection, pace, limits| connection.flush_waiting(0, pace, limits))
}

/// Writes a response byte by byte, and gives the connection back when it is dropped.
pub(crate) struct RawWriter {
    live: Option<Live>,
}

impl RawWriter {
    pub(crate) fn new(live: Live) -> RawWriter {
        RawWriter { live: Some(live) }
    }

    fn live(&mut self) -> &mut Live {
        self.live.as_mut().expect("only drop takes it")
    }
}

impl Write for RawWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write(self.live(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        flush(self.live())
    }
}

impl Drop for RawWriter {
    fn drop(&mut self) {
        if let Some(mut live) = self.live.take() {
            let is_kept = flush(&mut live).is_ok() && live.is_kept();
            live.release(is_kept);
        }
    }
}

/// A connection that speaks another protocol, and is closed when it is dropped.
pub(crate) struct RawStream {
    live: Option<Live>,
    is_open: bool,
}

impl RawStream {
    pub(crate) fn new(live: Live, is_open: bool) -> RawStream {
        RawStream { live: Some(live), is_open }
    }

    fn live(&mut self) -> io::Result<&mut Live> {
        match &mut self.live {
            Some(live) if self.is_open => Ok(live),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Read for RawStream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let live = self.live()?;
        // Whoever reads waits for an answer to what was written.
        flush(live)?;
        live.with_limits(|connection, pace, limits| connection.read_raw(out, pace, limits))
    }
}

impl Write for RawStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write(self.live()?, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        flush(self.live()?)
    }
}

impl Drop for RawStream {
    fn drop(&mut self) {
        if let Some(mut live) = self.live.take() {
            if flush(&mut live).is_err() {
                live.connection.abandon_output();
            }
            live.release(false);
        }
    }
}
