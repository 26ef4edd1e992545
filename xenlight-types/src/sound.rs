table! {
    struct SoundParams = "vsnd_params" since "4.12" {
        sample_rates: [list u32];
        sample_formats: [list enum SoundFormat];
        channels_min: [u32];
        channels_max: [u32];
        buffer_size: [u32];
    }

    struct SoundStream = "vsnd_stream" since "4.12" {
        unique_id: [text];
        kind = "type": [enum SoundDirection];
        params: [struct SoundParams];
    }

    struct SoundPcm = "vsnd_pcm" since "4.12" {
        name: [text];
        params: [struct SoundParams];
        streams: [list struct SoundStream];
    }

    struct Vsnd = "device_vsnd" since "4.12" {
        backend_domid: [domid];
        backend_domname: [text];
        devid: [devid];
        short_name: [text];
        long_name: [text];
        params: [struct SoundParams];
        pcms: [list struct SoundPcm];
    }

    info SoundStreamInfo = "streaminfo" since "4.12" {
        req_evtch: [i32];
        req_rref: [i32];
    }

    info SoundPcmInfo = "pcminfo" since "4.12" {
        streams: [list struct SoundStreamInfo];
    }

    info VsndInfo = "vsndinfo" since "4.12" {
        backend: [optional text];
        backend_id: [u32];
        frontend: [optional text];
        frontend_id: [u32];
        devid: [optional devid];
        state: [i32];
        pcms: [list struct SoundPcmInfo];
    }

    enum SoundFormat = "vsnd_pcm_format" since "4.12" {
        S8 = "s8" 1;
        U8 = "u8" 2;
        S16Le = "s16_le" 3;
        S16Be = "s16_be" 4;
        U16Le = "u16_le" 5;
        U16Be = "u16_be" 6;
        S24Le = "s24_le" 7;
        S24Be = "s24_be" 8;
        U24Le = "u24_le" 9;
        U24Be = "u24_be" 10;
        S32Le = "s32_le" 11;
        S32Be = "s32_be" 12;
        U32Le = "u32_le" 13;
        U32Be = "u32_be" 14;
        F32Le = "f32_le" 15;
        F32Be = "f32_be" 16;
        F64Le = "f64_le" 17;
        F64Be = "f64_be" 18;
        Iec958SubframeLe = "iec958_subframe_le" 19;
        Iec958SubframeBe = "iec958_subframe_be" 20;
        MuLaw = "mu_law" 21;
        ALaw = "a_law" 22;
        ImaAdpcm = "ima_adpcm" 23;
        Mpeg = "mpeg" 24;
        Gsm = "gsm" 25;
    }

    enum SoundDirection = "vsnd_stream_type" since "4.12" {
        P = "p" 1;
        C = "c" 2;
    }
}
