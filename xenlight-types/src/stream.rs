table! {
    struct RestoreParams = "domain_restore_params" since "4.4" {
        checkpointed_stream: [i32];
        stream_version: [u32] since "4.6";
        colo_proxy_script: [text] since "4.7";
        userspace_colo_proxy: [defbool] since "4.9";
    }

    struct RemusInfo = "domain_remus_info" since "4.2" {
        interval: [i32];
        blackhole: [defbool];
        compression: [defbool];
        allow_unsafe: [defbool] since "4.5";
        netbuf: [defbool] since "4.5";
        netbufscript: [text] since "4.5";
        diskbuf: [defbool] since "4.5";
        colo: [defbool] since "4.7";
        userspace_colo_proxy: [defbool] since "4.9";
    }

    enum CheckpointedStream = "checkpointed_stream" since "4.7" {
        None = "none" 0;
        Remus = "remus" 1;
        Colo = "colo" 2;
    }
}
