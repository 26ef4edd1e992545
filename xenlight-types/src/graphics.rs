table! {
    struct Vga = "vga_interface_info" since "4.2" {
        kind: [enum VgaKind];
    }

    struct Vnc = "vnc_info" since "4.2" {
        enable: [defbool];
        listen: [text];
        password = "passwd": [text];
        display: [i32];
        findunused: [defbool];
    }

    struct Spice = "spice_info" since "4.2" {
        enable: [defbool];
        port: [i32];
        tls_port: [i32];
        host: [text];
        disable_ticketing: [defbool];
        password = "passwd": [text];
        agent_mouse: [defbool];
        vdagent: [defbool] since "4.4";
        clipboard_sharing: [defbool] since "4.4";
        usbredirection: [i32] since "4.4";
        image_compression: [text] since "4.6";
        streaming_video: [text] since "4.6";
    }

    struct Sdl = "sdl_info" since "4.2" {
        enable: [defbool];
        opengl: [defbool];
        display: [text];
        xauthority: [text];
    }

    struct Vfb = "device_vfb" since "4.2" {
        backend_domid: [domid];
        devid: [devid];
        vnc: [struct Vnc];
        sdl: [struct Sdl];
        keymap: [text];
        backend_domname: [text] since "4.3";
    }

    struct Vkb = "device_vkb" since "4.2" {
        backend_domid: [domid];
        devid: [devid];
        backend_domname: [text] since "4.3";
        backend_type: [enum VkbBackend] since "4.12";
        unique_id: [text] since "4.12";
        feature_disable_keyboard: [bool] since "4.12";
        feature_disable_pointer: [bool] since "4.12";
        feature_abs_pointer: [bool] since "4.12";
        feature_raw_pointer: [bool] since "4.12";
        feature_multi_touch: [bool] since "4.12";
        width: [u32] since "4.12";
        height: [u32] since "4.12";
        multi_touch_width: [u32] since "4.12";
        multi_touch_height: [u32] since "4.12";
        multi_touch_num_contacts: [u32] since "4.12";
    }

    info VkbInfo = "vkbinfo" since "4.12" {
        backend: [optional text];
        backend_id: [u32];
        frontend: [optional text];
        frontend_id: [u32];
        devid: [optional devid];
        state: [i32];
        evtch: [i32];
        rref: [i32];
    }

    enum VgaKind = "vga_interface_type" since "4.2" {
        Cirrus = "cirrus" 1;
        Std = "std" 2;
        None = "none" 3 since "4.5";
        Qxl = "qxl" 4 since "4.6";
        Unknown = "unknown" 0 since "4.7";
    }

    enum VkbBackend = "vkb_backend" since "4.12" {
        Unknown = "unknown" 0;
        Qemu = "qemu" 1;
        Linux = "linux" 2;
    }
}
