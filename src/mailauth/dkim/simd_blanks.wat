;; Reduces white space as the relaxed canonicalization of a body wants it (RFC 6376 section 3.4.4 a), sixteen octets a
;; step. It does what reduceBlanks() of canonical_blanks.ts does.
;;
;; simd_blanks.ts puts octets in and takes the result; `deno task wasm` makes simd_blanks_code.ts of this text.

(module
  ;; The first page holds a table, those after it the octets, with room behind them. It never grows, so that views of
  ;; it hold.
  (memory (export "memory") 3 3)

  ;; The table: for each set of eight octets, as bits, the numbers of those that are not in it, in their order. What is
  ;; left of the eight numbers does not matter.
  (func $fillTable
    (local $set i32) (local $number i32) (local $entry i32)
    (loop $nextSet
      (local.set $entry (i32.shl (local.get $set) (i32.const 3)))
      (local.set $number (i32.const 0))
      (loop $nextNumber
        (i32.store8 (local.get $entry) (local.get $number))
        ;; It stays where the octet is not in the set, and is overwritten where it is.
        (local.set $entry
          (i32.add
            (local.get $entry)
            (i32.and
              (i32.xor (i32.shr_u (local.get $set) (local.get $number)) (i32.const 1))
              (i32.const 1))))
        (local.set $number (i32.add (local.get $number) (i32.const 1)))
        (br_if $nextNumber (i32.lt_u (local.get $number) (i32.const 8))))
      (local.set $set (i32.add (local.get $set) (i32.const 1)))
      (br_if $nextSet (i32.lt_u (local.get $set) (i32.const 256)))))
  (start $fillTable)

  ;; Reduces the octets from $at up to $to, where they are, taking $behind for each of those behind them. Gives one past
  ;; the last that is left. 32 octets behind them are overwritten.
  (func (export "reduce") (param $at i32) (param $to i32) (param $behind i32) (result i32)
    (local $end i32)                    ;; one past the last octet that is left
    (local $gone i32)                   ;; the octets of a block that go, as bits
    (local $low i32) (local $high i32)  ;; those of its halves
    (local $block v128)
    (local $next v128)                  ;; each octet's successor
    (local $tabs v128)                  ;; where a tab is
    (local $SPACE v128) (local $TAB v128) (local $CR v128) (local $LF v128)
    (local.set $SPACE (i8x16.splat (i32.const 0x20)))
    (local.set $TAB (i8x16.splat (i32.const 0x09)))
    (local.set $CR (i8x16.splat (i32.const 0x0d)))
    (local.set $LF (i8x16.splat (i32.const 0x0a)))
    (v128.store (local.get $to) (i8x16.splat (local.get $behind)))
    (v128.store offset=16 (local.get $to) (i8x16.splat (local.get $behind)))

    ;; Text in which nothing changes: no tab, and nothing that may be white space or end a line behind a space.
    (block $met
      (loop $again
        (br_if $met (i32.ge_u (local.get $at) (local.get $to)))
        (local.set $block (v128.load (local.get $at)))
        (br_if $met
          (v128.any_true
            (v128.or
              (i8x16.eq (local.get $block) (local.get $TAB))
              (v128.and
                (i8x16.eq (local.get $block) (local.get $SPACE))
                (i8x16.le_u (v128.load offset=1 (local.get $at)) (local.get $SPACE))))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $again)))

    ;; From the first block on in which something may change. Where the next one is cannot be foreseen, and a wrong guess of
    ;; the processor costs more than all this, so that blocks without a change go the same way as those with one.
    (local.set $end (local.get $at))
    (block $met
      (loop $again
        (br_if $met (i32.ge_u (local.get $at) (local.get $to)))
        (local.set $block (v128.load (local.get $at)))
        (local.set $next (v128.load offset=1 (local.get $at)))
        (local.set $tabs (i8x16.eq (local.get $block) (local.get $TAB)))
        ;; White space goes before white space, and before a line end: of a run the last stays, if any.
        (local.set $gone
          (i8x16.bitmask
            (v128.and
              (v128.or (i8x16.eq (local.get $block) (local.get $SPACE)) (local.get $tabs))
              (v128.or
                (v128.or
                  (i8x16.eq (local.get $next) (local.get $SPACE))
                  (i8x16.eq (local.get $next) (local.get $TAB)))
                (v128.and
                  (i8x16.eq (local.get $next) (local.get $CR))
                  (i8x16.eq (v128.load offset=2 (local.get $at)) (local.get $LF)))))))
        (local.set $block
          (v128.bitselect (local.get $SPACE) (local.get $block) (local.get $tabs)))
        ;; Eight octets always: what is too much is overwritten, and nothing behind the block that was just read.
        (local.set $low (i32.and (local.get $gone) (i32.const 0xff)))
        (local.set $high (i32.shr_u (local.get $gone) (i32.const 8)))
        (v128.store64_lane 0
          (local.get $end)
          (i8x16.swizzle
            (local.get $block)
            (v128.load64_zero (i32.shl (local.get $low) (i32.const 3)))))
        (local.set $end
          (i32.sub
            (i32.add (local.get $end) (i32.const 8))
            (i32.popcnt (local.get $low))))
        (v128.store64_lane 0
          (local.get $end)
          (i8x16.swizzle
            (i8x16.shuffle 8 9 10 11 12 13 14 15 8 9 10 11 12 13 14 15
              (local.get $block) (local.get $block))
            (v128.load64_zero (i32.shl (local.get $high) (i32.const 3)))))
        (local.set $end
          (i32.sub
            (i32.add (local.get $end) (i32.const 8))
            (i32.popcnt (local.get $high))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $again)))

    ;; Octets behind them that the last block took in are not theirs: of white space none was left, of others all.
    (if (result i32) (i32.eq (local.get $behind) (i32.const 0x20))
      (then (local.get $end))
      (else (i32.sub (local.get $end) (i32.sub (local.get $at) (local.get $to))))))
)
