table! {
    /// A stream of bytes in both directions between a domain and a program outside of it, such as an agent's.
    ///
    /// The domain has it as a further console, which it finds by its name. [`name`](field@Self::name) and
    /// [`connection`](field@Self::connection) have to be set. QEMU is the backend. xl's `channel = […]`.
    struct Channel = "device_channel" since "4.5" {
        /// The name by which the domain knows it, such as `org.example.agent.1`. Has to be set.
        name: [text];
        /// Where the other end is. Has to be set.
        connection = "connection": [union ChannelConnection];
        /// The id of the domain in which the backend runs. Default 0; [`backend_domname`](field@Self::backend_domname)
        /// takes precedence.
        backend_domid: [domid];
        /// The name, or the id in decimal digits, of the domain in which the backend runs. xl's `backend`.
        backend_domname: [text];
        /// The number of the channel, from 0; the number of its console is one more. Default: its place in the list.
        devid: [devid];
    }

    /// Where the other end of a channel is.
    union ChannelConnection = "device_channel.connection" since "4.5" {
        /// Nowhere: libxl refuses it.
        Unknown = "unknown";
        /// A pseudoterminal that QEMU makes. [`ChannelPty::path`] tells which.
        Pty = "pty";
        /// A Unix domain socket.
        Socket(ChannelSocket) = "socket";
    }

    /// The Unix domain socket at the other end of a channel.
    struct ChannelSocket = "device_channel.connection.socket" since "4.5" {
        /// The path of the socket, which QEMU makes and on which it listens. Has to be set.
        path: [text];
    }

    /// The state of a domain's channel.
    info ChannelInfo = "channelinfo" since "4.5" {
        /// The backend's directory in Xenstore.
        backend: [optional text];
        /// The id of the domain in which the backend runs.
        backend_id: [u32];
        /// The frontend's directory in Xenstore.
        frontend: [optional text];
        /// The id of the domain that has the channel.
        frontend_id: [u32];
        /// The number of the channel, as in [`Channel::devid`](field@Channel::devid).
        devid: [optional devid];
        /// The frontend's state on the Xenbus: 1 initialising, 2 waiting for the other end's details, 3 initialised, 4
        /// connected, 5 closing, 6 closed. -1 if the frontend reports none.
        state: [i32];
        /// The domain's event channel (its port). -1 if the frontend reports none.
        evtch: [i32];
        /// The grant reference of the ring's page. -1 if the frontend reports none.
        rref: [i32];
        /// Where the other end is.
        connection = "connection": [optional union ChannelInfoConnection];
    }

    /// Where the other end of a channel is, as libxl reports it.
    union ChannelInfoConnection = "channelinfo.connection" since "4.5" {
        /// libxl does not know.
        Unknown = "unknown";
        /// A pseudoterminal.
        Pty(ChannelPty) = "pty";
        /// A Unix domain socket: that of the configuration.
        Socket = "socket";
    }

    /// The pseudoterminal at the other end of a channel.
    info ChannelPty = "channelinfo.connection.pty" since "4.5" {
        /// The device to open, such as `/dev/pts/3`. `/NO-SUCH-PATH` if it is not in Xenstore.
        path: [optional text];
    }
}
