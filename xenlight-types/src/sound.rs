table! {
    /// A paravirtual sound card of a domain: devices, each with streams. xl's `vsnd = […]`.
    struct Vsnd = "device_vsnd" since "4.12" {
        /// A short name of the card, at most 31 bytes. Not set: none. xl's `short-name`.
        short_name: [text];
        /// A long name of the card, at most 79 bytes. Not set: none. xl's `long-name`.
        long_name: [text];
        /// Its devices, in their order. xl's `PCM`.
        pcms: [list struct SoundPcm];
        /// What its devices and streams can do, unless they say it themselves.
        params: [struct SoundParams];
        /// The id of the domain in which the backend runs. Default 0; [`backend_domname`](field@Self::backend_domname)
        /// takes precedence.
        backend_domid: [domid];
        /// The name, or the id in decimal digits, of the domain in which the backend runs. xl's `backend`.
        backend_domname: [text];
        /// The number of the card, from 0. Default: the next that is free.
        devid: [devid];
    }

    /// A device of a paravirtual sound card.
    struct SoundPcm = "vsnd_pcm" since "4.12" {
        /// Its name, at most 79 bytes. Not set: none.
        name: [text];
        /// Its streams, in their order. xl's `STREAM`.
        streams: [list struct SoundStream];
        /// What its streams can do, unless they say it themselves. Not more than the [card](field@Vsnd::params) can.
        params: [struct SoundParams];
    }

    /// A stream of a paravirtual sound card's device.
    struct SoundStream = "vsnd_stream" since "4.12" {
        /// The name by which the backend identifies the stream. xl's `unique-id`.
        unique_id: [text];
        /// Whether it is played or recorded. Has to be set.
        kind = "type": [enum SoundDirection];
        /// What it can do. Not more than the [device](field@SoundPcm::params) can.
        params: [struct SoundParams];
    }

    /// What a paravirtual sound card, a device of it or a stream can do.
    ///
    /// What is not set is as with the device or the card to which it belongs.
    struct SoundParams = "vsnd_params" since "4.12" {
        /// The rates, in samples a second (Hz). xl's `sample-rates`.
        sample_rates: [list u32];
        /// The formats of samples. xl's `sample-formats`.
        sample_formats: [list enum SoundFormat];
        /// How many channels there are at least. 0 is the same as not set; if nothing says it, 1. xl's `channels-min`.
        channels_min: [u32];
        /// How many channels there are at most. 0 is the same as not set. xl's `channels-max`.
        channels_max: [u32];
        /// The largest buffer of a stream, in bytes. 0 is the same as not set. xl's `buffer-size`.
        buffer_size: [u32];
    }

    /// The state of a domain's paravirtual sound card.
    info VsndInfo = "vsndinfo" since "4.12" {
        /// The backend's directory in Xenstore.
        backend: [optional text];
        /// The id of the domain in which the backend runs.
        backend_id: [u32];
        /// The frontend's directory in Xenstore.
        frontend: [optional text];
        /// The id of the domain that has the card.
        frontend_id: [u32];
        /// The number of the card, as in [`Vsnd::devid`](field@Vsnd::devid).
        devid: [optional devid];
        /// The frontend's state on the Xenbus: 1 initialising, 2 waiting for the other end's details, 3 initialised, 4
        /// connected, 5 closing, 6 closed. -1 if the frontend reports none.
        state: [i32];
        /// Its devices, in their order.
        pcms: [list struct SoundPcmInfo];
    }

    /// The state of a paravirtual sound card's device.
    info SoundPcmInfo = "pcminfo" since "4.12" {
        /// Its streams, in their order.
        streams: [list struct SoundStreamInfo];
    }

    /// The state of a paravirtual sound card's stream.
    info SoundStreamInfo = "streaminfo" since "4.12" {
        /// The event channel (the domain's port) for requests to the backend. -1 if the frontend reports none.
        req_evtch: [i32];
        /// The grant reference of the page with the ring of requests. -1 if the frontend reports none.
        req_rref: [i32];
    }

    /// Whether a sound is played or recorded.
    enum SoundDirection = "vsnd_stream_type" since "4.12" {
        /// The domain plays.
        Playback = "p" 1;
        /// The domain records.
        Capture = "c" 2;
    }

    /// The format of a sample.
    enum SoundFormat = "vsnd_pcm_format" since "4.12" {
        /// Signed, 8 bits.
        S8 = "s8" 1;
        /// Unsigned, 8 bits.
        U8 = "u8" 2;
        /// Signed, 16 bits, little-endian.
        S16Le = "s16_le" 3;
        /// Signed, 16 bits, big-endian.
        S16Be = "s16_be" 4;
        /// Unsigned, 16 bits, little-endian.
        U16Le = "u16_le" 5;
        /// Unsigned, 16 bits, big-endian.
        U16Be = "u16_be" 6;
        /// Signed, 24 bits, little-endian.
        S24Le = "s24_le" 7;
        /// Signed, 24 bits, big-endian.
        S24Be = "s24_be" 8;
        /// Unsigned, 24 bits, little-endian.
        U24Le = "u24_le" 9;
        /// Unsigned, 24 bits, big-endian.
        U24Be = "u24_be" 10;
        /// Signed, 32 bits, little-endian.
        S32Le = "s32_le" 11;
        /// Signed, 32 bits, big-endian.
        S32Be = "s32_be" 12;
        /// Unsigned, 32 bits, little-endian.
        U32Le = "u32_le" 13;
        /// Unsigned, 32 bits, big-endian.
        U32Be = "u32_be" 14;
        /// Floating point, 32 bits, little-endian. libxl passes `f32_le`, where the protocol has `float_le`.
        F32Le = "f32_le" 15;
        /// Floating point, 32 bits, big-endian. libxl passes `f32_be`, where the protocol has `float_be`.
        F32Be = "f32_be" 16;
        /// Floating point, 64 bits, little-endian. libxl passes `f64_le`, where the protocol has
        /// `float64_le`.
        F64Le = "f64_le" 17;
        /// Floating point, 64 bits, big-endian. libxl passes `f64_be`, where the protocol has `float64_be`.
        F64Be = "f64_be" 18;
        /// IEC 958 (S/PDIF) subframes, little-endian.
        Iec958SubframeLe = "iec958_subframe_le" 19;
        /// IEC 958 (S/PDIF) subframes, big-endian.
        Iec958SubframeBe = "iec958_subframe_be" 20;
        /// µ-law of G.711, 8 bits.
        MuLaw = "mu_law" 21;
        /// A-law of G.711, 8 bits.
        ALaw = "a_law" 22;
        /// ADPCM of the IMA.
        ImaAdpcm = "ima_adpcm" 23;
        /// MPEG audio.
        Mpeg = "mpeg" 24;
        /// GSM speech.
        Gsm = "gsm" 25;
    }
}
