;; The inner loops of the DATA decoder, sixteen octets a step: they pass over text, and take out the dots
;; that the client stuffed (RFC 5321 section 4.5.2). They do what scanData() of data_scan.ts does, as far as all is
;; plain. They stop before a block in which a CR or LF stands alone, or a CR follows a dot in the first column, which
;; may be the end of the message; and where too little is left for another block. From there scanData() goes on.
;;
;; simd_scan.ts puts octets in and takes the result; `deno task wasm` makes simd_scan_code.ts of this text.

(module
  ;; The result in the first page, the octets in the second. It never grows, so that views of it hold.
  (memory (export "memory") 2 2)

  ;; Reads the octets from $at up to $to at most, and moves content down over the dots taken out. $before is the
  ;; two octets that came before, in little-endian order. Gives the first octet not read, and at address 0 one past the
  ;; last octet of content.
  (func (export "scan") (param $at i32) (param $to i32) (param $before i32) (result i32)
    (local $last i32)                   ;; where the last block may begin
    (local $end i32)                    ;; one past the last octet of content
    (local $dots i32)                   ;; the dots to be taken out of a block, as bits
    (local $left i32)                   ;; those of them that are still there
    (local $dot i32)                    ;; the number of one
    (local $block v128)
    (local $prior v128)                 ;; the block before it
    (local $previous v128)              ;; each octet's predecessor
    (local $stuffed v128)               ;; where a dot is in the first column
    (local $bare v128)                  ;; where an LF has no CR before it, or a CR no LF behind it
    (local $DOT v128) (local $LF v128) (local $CR v128) (local $LANES v128)
    (local.set $DOT (i8x16.splat (i32.const 0x2e)))
    (local.set $LF (i8x16.splat (i32.const 0x0a)))
    (local.set $CR (i8x16.splat (i32.const 0x0d)))
    (local.set $LANES (v128.const i8x16 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15))
    (local.set $prior (i16x8.splat (local.get $before)))
    ;; One octet more than a block must be there: what follows a dot is looked at.
    (local.set $last (i32.sub (local.get $to) (i32.const 17)))

    ;; Text without a dot to take out: nothing is moved.
    (block $met
      (loop $next
        (br_if $met (i32.gt_s (local.get $at) (local.get $last)))
        (local.set $block (v128.load (local.get $at)))
        (local.set $previous
          (i8x16.shuffle 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30
            (local.get $prior) (local.get $block)))
        (local.set $bare
          (v128.xor
            (i8x16.eq (local.get $block) (local.get $LF))
            (i8x16.eq (local.get $previous) (local.get $CR))))
        (local.set $stuffed
          (v128.and
            (i8x16.eq (local.get $block) (local.get $DOT))
            (i8x16.eq (local.get $previous) (local.get $LF))))
        (br_if $met (v128.any_true (v128.or (local.get $bare) (local.get $stuffed))))
        (local.set $prior (local.get $block))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $next)))

    ;; From the first such dot on. Where the next one is cannot be foreseen, and a wrong guess of the processor costs more
    ;; than all this, so that blocks without a dot go the same way as those with one.
    (local.set $end (local.get $at))
    (block $met
      (loop $next
        (br_if $met (i32.gt_s (local.get $at) (local.get $last)))
        (local.set $block (v128.load (local.get $at)))
        ;; From the register, not from memory: there content may lie by now.
        (local.set $previous
          (i8x16.shuffle 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30
            (local.get $prior) (local.get $block)))
        (local.set $bare
          (v128.xor
            (i8x16.eq (local.get $block) (local.get $LF))
            (i8x16.eq (local.get $previous) (local.get $CR))))
        (local.set $stuffed
          (v128.and
            (i8x16.eq (local.get $block) (local.get $DOT))
            (i8x16.eq (local.get $previous) (local.get $LF))))
        (br_if $met
          (v128.any_true
            (v128.or
              (local.get $bare)
              (v128.and
                (local.get $stuffed)
                (i8x16.eq (v128.load offset=1 (local.get $at)) (local.get $CR))))))
        (local.set $prior (local.get $block))
        (local.set $dots (i8x16.bitmask (local.get $stuffed)))
        (local.set $left (local.get $dots))
        (loop $again
          ;; The last one first, so that the places of the others stay; -1 where there is none.
          (local.set $dot (i32.sub (i32.const 31) (i32.clz (local.get $left))))
          (local.set $block
            (i8x16.swizzle
              (local.get $block)
              ;; For each lane its own octet, and from the dot on the next one.
              (i8x16.sub
                (local.get $LANES)
                (i8x16.ge_u (local.get $LANES) (i8x16.splat (local.get $dot))))))
          (local.set $left
            (i32.and
              (local.get $left)
              (i32.sub (i32.shl (i32.const 1) (local.get $dot)) (i32.const 1))))
          (br_if $again (local.get $left)))
        ;; Sixteen octets always: what is too much is overwritten, and nothing behind the block that was just read.
        (v128.store (local.get $end) (local.get $block))
        (local.set $end
          (i32.add
            (local.get $end)
            (i32.sub (i32.const 16) (i32.popcnt (local.get $dots)))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $next)))
    (i32.store (i32.const 0) (local.get $end))
    (local.get $at))
)
