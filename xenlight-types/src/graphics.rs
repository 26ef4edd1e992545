table! {
    /// The graphics card that QEMU emulates for an HVM domain.
    struct Vga = "vga_interface_info" since "4.2" {
        /// Which card. Default [`Cirrus`](VgaKind::Cirrus). xl's `vga`.
        kind: [enum VgaKind];
    }

    /// QEMU's VNC server, which shows a domain's screen.
    ///
    /// For an HVM domain it shows the emulated card, for others the [`Vfb`].
    struct Vnc = "vnc_info" since "4.2" {
        /// There is a server. Default true. xl's `vnc`.
        enable: [defbool];
        /// The address on which it listens. A display number may follow (`0.0.0.0:5`), and then
        /// [`display`](field@Self::display) must not be set. Default `127.0.0.1`. xl's `vnclisten`.
        listen: [text];
        /// The number of the display: the TCP port less 5900. Default 0. xl's `vncdisplay`.
        display: [i32];
        /// If the port is in use, the next that is free is taken, up to 99 further. Default true. xl's `vncunused`.
        findunused: [defbool];
        /// The password. VNC looks at the first eight characters, and Xenstore has it as it is. Not set or empty: none
        /// is asked for. xl's `vncpasswd`.
        password = "passwd": [text];
    }

    /// QEMU's SPICE server, which shows the screen of an HVM domain.
    struct Spice = "spice_info" since "4.2" {
        /// There is a server. Default false. It needs [`port`](field@Self::port) or [`tls_port`](field@Self::tls_port),
        /// and [`password`](field@Self::password) or [`disable_ticketing`](field@Self::disable_ticketing). xl's
        /// `spice`.
        enable: [defbool];
        /// The TCP port. 0, the default: none. xl's `spiceport`.
        port: [i32];
        /// The TCP port for TLS. 0, the default: none. xl's `spicetls_port`.
        tls_port: [i32];
        /// The address on which it listens. Not set: all. xl's `spicehost`.
        host: [text];
        /// Clients need no password. Default false. xl's `spicedisable_ticketing`.
        disable_ticketing: [defbool];
        /// The password, which must not be empty. Has to be set unless
        /// [`disable_ticketing`](field@Self::disable_ticketing) is. xl's `spicepasswd`.
        password = "passwd": [text];
        /// The pointer's position goes through the agent in the domain. Default true. xl's `spiceagent_mouse`.
        agent_mouse: [defbool];
        /// There is a channel for the SPICE agent, which has to be installed in the domain. Default false. xl's
        /// `spicevdagent`.
        vdagent: [defbool] since "4.4";
        /// Client and domain share the clipboard. Needs [`vdagent`](field@Self::vdagent). Default false. xl's
        /// `spice_clipboard_sharing`.
        clipboard_sharing: [defbool] since "4.4";
        /// How many USB devices of the client can be connected to the domain, 0 to 4. Default 0. The domain has a USB
        /// 2.0 controller then, unless its configuration asks for another. xl's `spiceusbredirection`.
        usbredirection: [i32] since "4.4";
        /// How images are compressed: `auto_glz`, `auto_lz`, `quic`, `glz`, `lz` or `off`. Not set: QEMU decides. xl's
        /// `spice_image_compression`.
        image_compression: [text] since "4.6";
        /// What is streamed as video: `filter`, `all` or `off`. Not set: QEMU decides. xl's `spice_streaming_video`.
        streaming_video: [text] since "4.6";
    }

    /// A window on an X display of the device model's domain, which shows a domain's screen. QEMU opens it with SDL.
    struct Sdl = "sdl_info" since "4.2" {
        /// There is a window. Default false. xl's `sdl`.
        enable: [defbool];
        /// It uses OpenGL. Default false. Only QEMU's traditional device model heeds it, which Xen 4.22 has no more.
        opengl: [defbool];
        /// The X display, `DISPLAY` in QEMU's environment. Not set: that of the process that starts the domain.
        display: [text];
        /// The file with the X authority, `XAUTHORITY` in QEMU's environment. Not set: that of the process that starts
        /// the domain.
        xauthority: [text];
    }

    /// A paravirtual frame buffer, which QEMU shows with VNC or SDL.
    ///
    /// A PV or PVH domain has a screen by it; it needs a [`Vkb`], too, to have input. xl's `vfb = […]`.
    struct Vfb = "device_vfb" since "4.2" {
        /// The VNC server that shows it.
        vnc: [struct Vnc];
        /// The window that shows it.
        sdl: [struct Sdl];
        /// The keyboard's layout as QEMU calls it, such as `de`. Not set: QEMU uses `en-us`.
        keymap: [text];
        /// The id of the domain in which the backend runs. Default 0; [`backend_domname`](field@Self::backend_domname)
        /// takes precedence.
        backend_domid: [domid];
        /// The name, or the id in decimal digits, of the domain in which the backend runs.
        backend_domname: [text] since "4.3";
        /// The number of the frame buffer, from 0. Default: the next that is free.
        devid: [devid];
    }

    /// A paravirtual keyboard with a pointer, or a touch screen. xl's `vkb = […]`.
    struct Vkb = "device_vkb" since "4.2" {
        /// What implements the backend. Default [`Qemu`](VkbBackend::Qemu). xl's `backend-type`.
        backend_type: [enum VkbBackend] since "4.12";
        /// The name by which the backend identifies the device. Not set: none. xl's `unique-id`.
        unique_id: [text] since "4.12";
        /// The domain gets no keyboard from it. Default false. xl's `feature-disable-keyboard`.
        feature_disable_keyboard: [bool] since "4.12";
        /// The domain gets no pointer from it. Default false. xl's `feature-disable-pointer`.
        feature_disable_pointer: [bool] since "4.12";
        /// The pointer can tell where it is, not only how far it moved. Default false. xl's `feature-abs-pointer`.
        feature_abs_pointer: [bool] since "4.12";
        /// The pointer can tell where it is in units of its own, 0 to 32767, not scaled to the screen. Default false.
        /// xl's `feature-raw-pointer`.
        feature_raw_pointer: [bool] since "4.12";
        /// The width of the pointer's area in pixels. 0, the default: the frontend decides.
        width: [u32] since "4.12";
        /// The height of the pointer's area in pixels. 0, the default: the frontend decides.
        height: [u32] since "4.12";
        /// It is a touch screen for several fingers. Default false. xl's `feature-multi-touch`.
        feature_multi_touch: [bool] since "4.12";
        /// The width of the touch screen in pixels. Only with [`feature_multi_touch`](field@Self::feature_multi_touch);
        /// default 0. xl's `multi-touch-width`.
        multi_touch_width: [u32] since "4.12";
        /// The height of the touch screen in pixels. Only with
        /// [`feature_multi_touch`](field@Self::feature_multi_touch); default 0. xl's `multi-touch-height`.
        multi_touch_height: [u32] since "4.12";
        /// How many touches it can tell at a time. Only with [`feature_multi_touch`](field@Self::feature_multi_touch);
        /// default 0. xl's `multi-touch-num-contacts`.
        multi_touch_num_contacts: [u32] since "4.12";
        /// The id of the domain in which the backend runs. Default 0; [`backend_domname`](field@Self::backend_domname)
        /// takes precedence.
        backend_domid: [domid];
        /// The name, or the id in decimal digits, of the domain in which the backend runs. xl's `backend`.
        backend_domname: [text] since "4.3";
        /// The number of the keyboard, from 0. Default: the next that is free.
        devid: [devid];
    }

    /// The state of a domain's paravirtual keyboard.
    info VkbInfo = "vkbinfo" since "4.12" {
        /// The backend's directory in Xenstore.
        backend: [optional text];
        /// The id of the domain in which the backend runs.
        backend_id: [u32];
        /// The frontend's directory in Xenstore.
        frontend: [optional text];
        /// The id of the domain that has the keyboard.
        frontend_id: [u32];
        /// The number of the keyboard, as in [`Vkb::devid`](field@Vkb::devid).
        devid: [optional devid];
        /// The frontend's state on the Xenbus: 1 initialising, 2 waiting for the other end's details, 3 initialised, 4
        /// connected, 5 closing, 6 closed. -1 if the frontend reports none.
        state: [i32];
        /// The domain's event channel (its port). -1 if the frontend reports none.
        evtch: [i32];
        /// The grant reference of the page with the events. -1 if the frontend reports none.
        rref: [i32];
    }

    /// A graphics card that QEMU emulates.
    ///
    /// Its memory is [`BuildInfo::video_memory_kib`](field@crate::BuildInfo::video_memory_kib).
    enum VgaKind = "vga_interface_type" since "4.2" {
        /// Cirrus Logic GD5446. 8 MiB of video memory by default and at least.
        Cirrus = "cirrus" 1;
        /// A VGA card with VESA BIOS extensions, for larger screens and more colours than [`Cirrus`](Self::Cirrus). 16
        /// MiB of video memory by default and at least. xl's `stdvga`.
        Std = "std" 2;
        /// No card.
        None = "none" 3 since "4.5";
        /// QXL, for [`Spice`]: with a driver in the domain it is accelerated. 128 MiB of video memory by default and at
        /// least.
        Qxl = "qxl" 4 since "4.6";
        /// libxl uses [`Cirrus`](Self::Cirrus).
        Unknown = "unknown" 0 since "4.7";
    }

    /// What implements the backend of a paravirtual keyboard.
    enum VkbBackend = "vkb_backend" since "4.12" {
        /// libxl uses [`Qemu`](Self::Qemu).
        Unknown = "unknown" 0;
        /// QEMU, which libxl starts.
        Qemu = "qemu" 1;
        /// A backend of your own in a Linux domain, for which libxl writes the device to Xenstore.
        Linux = "linux" 2;
    }
}
