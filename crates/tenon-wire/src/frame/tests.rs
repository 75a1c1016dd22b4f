use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

fn frames_of(bytes: &[u8], limits: FrameLimits) -> Result<Vec<Frame>, FrameError> {
    frames_in_cuts(bytes, limits, &[])
}

fn frames_in_cuts(
    bytes: &[u8],
    limits: FrameLimits,
    cuts: &[usize],
) -> Result<Vec<Frame>, FrameError> {
    let mut reader = FrameReader::new(limits);
    let mut found = Vec::new();
    let mut rest = bytes;
    let mut cuts = cuts.iter().copied().cycle();
    while !rest.is_empty() {
        let piece = cuts.next().unwrap_or(rest.len()).clamp(1, rest.len());
        let taken = reader.push(&rest[..piece]);
        assert!(reader.buffered() <= limits.buffer_bytes_max);
        rest = &rest[taken..];
        while let Some(frame) = reader.next()? {
            found.push(frame);
        }
    }
    Ok(found)
}

fn check(bytes: &[u8], expect: Result<usize, FrameError>) {
    assert_eq!(frames_of(bytes, FrameLimits::UP).map(|f| f.len()), expect, "{bytes:02x?}");
}

/// The smallest frame has four bytes; its picture is frozen.
#[test]
fn smallest_frame() {
    let mut out = BytesMut::new();
    encode_frame(&mut out, FrameHeader::new(kind::PING, 0), b"").unwrap();
    assert_eq!(out[..], [0x41, 4, 0, 0]);
    encode_frame(&mut out, FrameHeader::new(kind::SEND, 300), b"ab").unwrap();
    assert_eq!(out[4..], [0x51, 10, 0xAC, 0x02, 2, b'a', b'b']);
    check(&out, Ok(2));
}

#[test]
fn headers_are_judged() {
    check(&[0x01, 4, 0, 0], Err(FrameError::Version));
    check(&[0x81], Err(FrameError::Version));
    check(&[0x41, 0, 0, 0], Err(FrameError::UnknownKind(0)));
    check(&[0x41, 9, 0, 0], Err(FrameError::UnknownKind(9)));
    check(&[0x41, 64, 0, 0], Err(FrameError::UnknownKind(64)));
    check(&[0x41, 127], Err(FrameError::UnknownKind(127)));
    check(&[0x41, 128, 0, 0, 0x41, 255, 1, 2, 7, 7, 0x41, 4, 0, 0], Ok(1));
    check(&[0x4D, 4, 0, 0], Err(FrameError::BadCompression));
    check(&[0x40, 4, 0, 0], Err(FrameError::Piece));
    check(&[0x40, 31, 1, 1, 7], Ok(1));
    check(&[0x41, 4, 0x80, 0x00, 0], Err(FrameError::Varint));
    check(&[0x41, 4, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0], Ok(1));
    check(&[0x41, 4, 0xFF, 0xFF, 0xFF, 0xFF, 0x1F], Err(FrameError::Varint));
    check(&[0x41, 4, 0, 0x80, 0x80, 0x80, 0x80, 0x80], Err(FrameError::Varint));
    check(&[0x41, 4, 0], Ok(0));
}

/// A lie about the length is refused from the header alone, in every direction.
#[test]
fn length_is_checked_before_the_payload() {
    let over = |kind, len: u32| {
        let mut out = BytesMut::from(&[0x41, kind, 0][..]);
        varint::put(&mut out, len);
        out
    };
    let refused = |kind, len: usize, max| Err(FrameError::TooLarge { kind, len, max });
    check(&over(4, 65_536), Ok(0));
    check(&over(4, 65_537), refused(4, 65_537, 65_536));
    check(&over(1, 8_193), refused(1, 8_193, 8_192));
    check(&over(200, 65_537), refused(200, 65_537, 65_536));
    check(&over(4, u32::MAX), refused(4, u32::MAX as usize, 65_536));
    let before = frames_of(&over(10, 8_193), FrameLimits::BEFORE_LOGIN);
    assert_eq!(before.unwrap_err().code(), ErrorCode::FrameTooLarge);
}

#[test]
fn extensions_are_split_and_judged() {
    let header = FrameHeader::new(kind::SEND, 1);
    let mut out = BytesMut::new();
    encode_frame_with(&mut out, header, &[(EXT_TRACE, b"trace"), (300, b"")], b"body").unwrap();
    let frames = frames_of(&out, FrameLimits::UP).unwrap();
    assert_eq!(frames[0].payload[..], *b"body");
    assert_eq!(frames[0].extension(EXT_TRACE).unwrap()[..], *b"trace");
    assert_eq!(frames[0].extension(EXT_PADDING), None);

    let mut odd = BytesMut::new();
    encode_frame_with(&mut odd, header, &[(3, b"x")], b"").unwrap();
    check(&odd, Err(FrameError::UnknownCriticalExt(3)));
    check(&[0x43, 10, 1, 1, 5], Err(FrameError::Extension));
    check(&[0x43, 10, 1, 3, 2, 2, 9], Err(FrameError::Extension));
    check(&[0x43, 10, 1, 0], Err(FrameError::Extension));
}

#[test]
fn failure_is_for_ever() {
    let mut reader = FrameReader::new(FrameLimits::UP);
    reader.push(&[0x01]);
    assert_eq!(reader.next(), Err(FrameError::Version));
    assert_eq!(reader.push(&[0x41, 4, 0, 0]), 4);
    assert_eq!(reader.next(), Err(FrameError::Version));
    assert_eq!(reader.buffered(), 0);
}

fn piece(id: u32, last: bool, payload: &'static [u8]) -> Frame {
    let header = FrameHeader::new(kind::RESPONSE, id);
    Frame {
        kind: header.kind,
        id,
        prio: header.prio,
        last,
        comp: Comp::None,
        payload: Bytes::from_static(payload),
        ext: Bytes::new(),
    }
}

#[test]
fn pieces_interleave_and_join() {
    let mut chunks = ChunkAssembler::default();
    assert_eq!(chunks.take(piece(1, false, b"ab")), Ok(None));
    assert_eq!(chunks.take(piece(2, false, b"xy")), Ok(None));
    assert_eq!(chunks.take(piece(3, true, b"whole")), Ok(Some(piece(3, true, b"whole"))));
    assert_eq!(chunks.take(piece(1, true, b"c")), Ok(Some(piece(1, true, b"abc"))));
    assert_eq!(chunks.take(piece(2, true, b"")), Ok(Some(piece(2, true, b"xy"))));
}

#[test]
fn pieces_are_bounded() {
    static LARGE: [u8; 200_000] = [7; 200_000];
    let mut chunks = ChunkAssembler::default();
    assert_eq!(chunks.take(piece(0, false, b"a")), Err(FrameError::Piece));
    assert_eq!(chunks.take(piece(1, false, b"")), Err(FrameError::Piece));
    for _ in 0..5 {
        assert_eq!(chunks.take(piece(1, false, &LARGE)), Ok(None));
    }
    assert_eq!(chunks.take(piece(1, false, &LARGE)).unwrap_err().code(), ErrorCode::FrameTooLarge);
    let mut chunks = ChunkAssembler::default();
    for id in 1..=8 {
        assert_eq!(chunks.take(piece(id, false, b"a")), Ok(None));
    }
    assert_eq!(chunks.take(piece(9, false, b"a")), Err(FrameError::TooManyPieces));
}

proptest! {
    /// Whatever the cuts, the same frames come out.
    #[test]
    fn frames_survive_any_cut(
        bodies in prop::collection::vec((1_u32.., prop::collection::vec(any::<u8>(), 0..300)), 1..20),
        cuts in prop::collection::vec(1_usize..400, 1..20),
    ) {
        let mut out = BytesMut::new();
        for (id, body) in &bodies {
            encode_frame(&mut out, FrameHeader::new(kind::OP, *id), body).unwrap();
        }
        let found = frames_in_cuts(&out, FrameLimits::BEFORE_LOGIN, &cuts).unwrap();
        prop_assert_eq!(found.len(), bodies.len());
        for (frame, (id, body)) in found.iter().zip(&bodies) {
            prop_assert_eq!(frame.id, *id);
            prop_assert_eq!(&frame.payload[..], &body[..]);
        }
    }

    /// Any bytes give frames or one error, in bounded memory, the same for every cut.
    #[test]
    fn noise_is_harmless(
        noise in prop::collection::vec(any::<u8>(), 0..200),
        cuts in prop::collection::vec(1_usize..9, 1..9),
    ) {
        let mut bytes = vec![0x41, 4, 0, 0];
        bytes.extend(noise);
        prop_assert_eq!(
            frames_of(&bytes, FrameLimits::UP),
            frames_in_cuts(&bytes, FrameLimits::UP, &cuts)
        );
    }
}
