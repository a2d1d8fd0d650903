;; The inner loop of UnixLineEncoder: CRLF becomes LF, sixteen octets a step. It does what the loop of
;; unix_line_encoder.ts does, octet for octet.
;;
;; unix_lines.ts puts octets in and takes the result; `deno task wasm` makes unix_lines_code.ts of this text.

(module
  ;; It never grows, so that views of it hold.
  (memory (export "memory") 2 2)

  ;; Reads the octets from $at up to $to, and writes them from $into on without the CR of each CRLF. Right before $into
  ;; are the two octets that came before; a CR there is taken back when an LF follows. Gives one past the last
  ;; octet written, and at address 0 how many LF had no CR before them.
  ;; Up to fifteen octets behind $to are read, and as many behind the result written.
  (func (export "encode") (param $at i32) (param $to i32) (param $into i32) (result i32)
    (local $bare i32)
    (local $found i32)                  ;; where the block has an LF, as bits
    (local $block v128)
    (local $LF v128)
    (local.set $LF (i8x16.splat (i32.const 0x0a)))
    (block $read
      (loop $next
        (br_if $read (i32.ge_u (local.get $at) (local.get $to)))
        (local.set $block (v128.load (local.get $at)))
        ;; All of it: what is too much is overwritten by what comes next.
        (v128.store (local.get $into) (local.get $block))
        (local.set $found (i8x16.bitmask (i8x16.eq (local.get $block) (local.get $LF))))
        (if (i32.eqz (local.get $found))
          (then
            (local.set $at (i32.add (local.get $at) (i32.const 16)))
            (local.set $into (i32.add (local.get $into) (i32.const 16)))
            (br $next)))
        ;; On to the LF.
        (local.set $found (i32.ctz (local.get $found)))
        (local.set $at (i32.add (local.get $at) (local.get $found)))
        (local.set $into (i32.add (local.get $into) (local.get $found)))
        (br_if $read (i32.ge_u (local.get $at) (local.get $to)))
        ;; What is right before $into is what was right before the LF: a CR that was left out had an LF behind it.
        (if (i32.eq (i32.load8_u (i32.sub (local.get $into) (i32.const 1))) (i32.const 0x0d))
          (then
            (if (i32.ne (i32.load8_u (i32.sub (local.get $into) (i32.const 2))) (i32.const 0x0d))
              (then (local.set $into (i32.sub (local.get $into) (i32.const 1))))))
          (else (local.set $bare (i32.add (local.get $bare) (i32.const 1)))))
        (i32.store8 (local.get $into) (i32.const 0x0a))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $into (i32.add (local.get $into) (i32.const 1)))
        (br $next)))
    (i32.store (i32.const 0) (local.get $bare))
    ;; Behind the last LF octets were copied one for one, and some that are behind $to.
    (i32.sub (local.get $into) (i32.sub (local.get $at) (local.get $to))))
)
