;; Passes over the text of messages that go out, sixteen octets a step.
;;
;; simd_text.ts puts octets in and takes the results; `deno task wasm` makes simd_text_code.ts of this text.

(module
  ;; The octets are in the second page, so that the first block has something before it. It never grows, so that
  ;; views of it hold.
  (memory (export "memory") 2 2)

  ;; Passes over whole blocks from $at up to $to at most, as long as nothing need be done for DATA: no CR or LF stands
  ;; alone, and no dot is in the first column. $before is the two octets that came before, in little-endian order. Gives
  ;; the first octet not passed over.
  (func (export "plain") (param $at i32) (param $to i32) (param $before i32) (result i32)
    (local $last i32)                   ;; where the last block may begin
    (local $block v128)
    (local $prior v128)                 ;; the block before it
    (local $previous v128)              ;; each octet's predecessor
    (local $DOT v128) (local $LF v128) (local $CR v128)
    (local.set $DOT (i8x16.splat (i32.const 0x2e)))
    (local.set $LF (i8x16.splat (i32.const 0x0a)))
    (local.set $CR (i8x16.splat (i32.const 0x0d)))
    (local.set $prior (i16x8.splat (local.get $before)))
    (local.set $last (i32.sub (local.get $to) (i32.const 16)))
    (block $met
      (loop $next
        (br_if $met (i32.gt_s (local.get $at) (local.get $last)))
        (local.set $block (v128.load (local.get $at)))
        (local.set $previous
          (i8x16.shuffle 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30
            (local.get $prior) (local.get $block)))
        (br_if $met
          (v128.any_true
            (v128.or
              ;; An LF has no CR before it, or a CR no LF behind it.
              (v128.xor
                (i8x16.eq (local.get $block) (local.get $LF))
                (i8x16.eq (local.get $previous) (local.get $CR)))
              (v128.and
                (i8x16.eq (local.get $block) (local.get $DOT))
                (i8x16.eq (local.get $previous) (local.get $LF))))))
        (local.set $prior (local.get $block))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $next)))
    (local.get $at))

  ;; Whether one of the whole blocks from $at up to $to has an octet above 127.
  (func (export "has8bit") (param $at i32) (param $to i32) (result i32)
    (local $last i32)
    (local $all v128)
    (local.set $last (i32.sub (local.get $to) (i32.const 16)))
    (block $end
      (loop $next
        (br_if $end (i32.gt_s (local.get $at) (local.get $last)))
        (local.set $all (v128.or (local.get $all) (v128.load (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $next)))
    (i32.ne (i8x16.bitmask (local.get $all)) (i32.const 0))))
