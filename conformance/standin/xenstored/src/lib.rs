//! A stand-in for xenstored: the wire protocol, watches and transactions without Xen.
