table! {
    struct ChannelSocket = "device_channel.connection.socket" since "4.5" {
        path: [text];
    }

    struct Channel = "device_channel" since "4.5" {
        backend_domid: [domid];
        backend_domname: [text];
        devid: [devid];
        name: [text];
        connection = "connection": [union ChannelConnection];
    }

    union ChannelConnection = "device_channel.connection" since "4.5" {
        Unknown = "unknown";
        Pty = "pty";
        Socket(ChannelSocket) = "socket";
    }

    info ChannelPty = "channelinfo.connection.pty" since "4.5" {
        path: [optional text];
    }

    info ChannelInfo = "channelinfo" since "4.5" {
        backend: [optional text];
        backend_id: [u32];
        frontend: [optional text];
        frontend_id: [u32];
        devid: [optional devid];
        state: [i32];
        evtch: [i32];
        rref: [i32];
        connection = "connection": [optional union ChannelInfoConnection];
    }

    union ChannelInfoConnection = "channelinfo.connection" since "4.5" {
        Unknown = "unknown";
        Pty(ChannelPty) = "pty";
        Socket = "socket";
    }
}
