;; Two modular powers at once, those that an RSA private key wants (RFC 8017 section 5.1.2, 2.b): for its first prime in
;; the first lane of each vector, for its second prime in the second. Nothing here branches, or looks into memory, by
;; what is secret; rsa_power.ts puts numbers in and takes the results. `deno task wasm` makes rsa_power_code.ts of this text.
;;
;; A number is 21 limbs of 51 bits, the lowest first, each a float that holds an integer. The product of two limbs has
;; 102 bits, and fused multiplication with addition gives all of them: added to 2^103, whose last place is 2^51, it is
;; rounded to the high half, and what that leaves is the low half, between -2^50 and 2^50:
;;
;;     high = a * b + 2^103
;;     low = a * b + (2^103 + 3 * 2^51 - high)         here 3 * 2^51 stands on top
;;
;; The bits of both, taken for integers, are the halves and a constant each, since their exponents never change. So
;; columns of halves are summed as integers of 64 bits, and begin with those constants subtracted.
;;
;; Where it all is:
;;     0x000  -1 / prime modulo 2^51
;;     0x010  the prime
;;     0x200  what each of 43 columns begins with
;;     0x500  columns
;;     0x700  the second factor
;;     0x900  the number one
;;     0xb00  the result
;;     0xd00  the power of the base that is multiplied with
;;     0xf00  the bits of 2^52, of 3 * 2^51, and of 51 ones
;;     0x1000 powers of the base in Montgomery's form, from 0 to 15; the first two are put there
;;     0x2800 the exponent, 256 digits of 4 bits, the highest first

(module
  (memory (export "memory") 1 1)

  ;; The Montgomery product of the numbers at $a and $b, modulo the prime, to $to: below twice the prime if they are.
  (func $multiply (param $to i32) (param $a i32) (param $b i32)
    (local $i i32) (local $j i32)
    (local $high v128) (local $highQ v128)  ;; high halves
    (local $f v128) (local $g v128)         ;; factors
    (local $sum v128)                       ;; the lowest column
    (local $up v128) (local $next v128)     ;; what goes to the next column
    (local $ai v128) (local $aj v128)       ;; a limb of $a: that of the next row, and of this
    (local $qi v128) (local $qj v128)       ;; how many primes make the lowest column vanish: the same
    (local $c v128) (local $d v128)
    (local.set $c (v128.const i64x2 0x4660000000000000 0x4660000000000000)) ;; 2^103
    (local.set $d (v128.const i64x2 0x4660000000000003 0x4660000000000003)) ;; 2^103 + 3 * 2^51
    (loop $copy
      (v128.store offset=0x500 (local.get $j) (v128.load offset=0x200 (local.get $j)))
      (v128.store offset=0x700 (local.get $j) (v128.load (i32.add (local.get $b) (local.get $j))))
      (br_if $copy (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 16))) (i32.const 336))))
    ;; Each row sums the lowest column of the next, so that rows do not wait for each other. The first is of zeros.
    (loop $row
      (local.set $aj (local.get $ai))
      (local.set $qj (local.get $qi))
      (local.set $f (v128.load (i32.const 0x710)))
      (local.set $g (v128.load (i32.const 0x20)))
      (local.set $high (f64x2.relaxed_madd (local.get $aj) (local.get $f) (local.get $c)))
      (local.set $highQ (f64x2.relaxed_madd (local.get $qj) (local.get $g) (local.get $c)))
      (local.set $sum
        (i64x2.add
          (i64x2.add (v128.load (i32.const 0x510)) (local.get $next))
          (i64x2.add
            (f64x2.relaxed_madd (local.get $aj) (local.get $f) (f64x2.sub (local.get $d) (local.get $high)))
            (f64x2.relaxed_madd (local.get $qj) (local.get $g) (f64x2.sub (local.get $d) (local.get $highQ))))))
      (v128.store (i32.const 0x500) (local.get $sum))
      (local.set $up (i64x2.add (local.get $high) (local.get $highQ)))

      ;; The next row's lowest column: its product, then the quotient, which is its 51 bits times -1 / prime.
      (local.set $ai (v128.load (i32.add (local.get $a) (local.get $i))))
      (local.set $f (v128.load (i32.const 0x700)))
      (local.set $high (f64x2.relaxed_madd (local.get $ai) (local.get $f) (local.get $c)))
      (local.set $sum
        (i64x2.add
          (local.get $sum)
          (f64x2.relaxed_madd (local.get $ai) (local.get $f) (f64x2.sub (local.get $d) (local.get $high)))))
      (local.set $f
        (f64x2.sub
          (v128.or (v128.and (local.get $sum) (v128.load (i32.const 0xf20))) (v128.load (i32.const 0xf00)))
          (v128.load (i32.const 0xf00))))
      (local.set $g (v128.load (i32.const 0)))
      (local.set $highQ (f64x2.relaxed_madd (local.get $f) (local.get $g) (local.get $c)))
      (local.set $qi
        (i64x2.sub
          (f64x2.relaxed_madd (local.get $f) (local.get $g) (f64x2.sub (local.get $d) (local.get $highQ)))
          (v128.load (i32.const 0xf10))))
      (local.set $qi
        (f64x2.sub
          (v128.or (v128.and (local.get $qi) (v128.load (i32.const 0xf20))) (v128.load (i32.const 0xf00)))
          (v128.load (i32.const 0xf00))))
      ;; So many primes make it vanish; what is above its 51 bits goes on.
      (local.set $g (v128.load (i32.const 0x10)))
      (local.set $highQ (f64x2.relaxed_madd (local.get $qi) (local.get $g) (local.get $c)))
      (local.set $sum
        (i64x2.add
          (local.get $sum)
          (f64x2.relaxed_madd (local.get $qi) (local.get $g) (f64x2.sub (local.get $d) (local.get $highQ)))))
      (local.set $next
        (i64x2.add
          (i64x2.add (local.get $high) (local.get $highQ))
          (i64x2.shr_u (local.get $sum) (i32.const 51))))

      ;; This row's other columns, which move down by one.
      (local.set $j (i32.const 32))
      (loop $column
        (local.set $f (v128.load offset=0x700 (local.get $j)))
        (local.set $g (v128.load offset=0x10 (local.get $j)))
        (local.set $high (f64x2.relaxed_madd (local.get $aj) (local.get $f) (local.get $c)))
        (local.set $highQ (f64x2.relaxed_madd (local.get $qj) (local.get $g) (local.get $c)))
        (v128.store offset=0x4f0
          (local.get $j)
          (i64x2.add
            (i64x2.add (v128.load offset=0x500 (local.get $j)) (local.get $up))
            (i64x2.add
              (f64x2.relaxed_madd (local.get $aj) (local.get $f) (f64x2.sub (local.get $d) (local.get $high)))
              (f64x2.relaxed_madd (local.get $qj) (local.get $g) (f64x2.sub (local.get $d) (local.get $highQ))))))
        (local.set $up (i64x2.add (local.get $high) (local.get $highQ)))
        (br_if $column (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 16))) (i32.const 336))))
      (v128.store
        (i32.const 0x640)
        (i64x2.add (v128.load offset=0x350 (local.get $i)) (local.get $up)))
      (br_if $row
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (i32.const 352))))

    (local.set $j (i32.const 0))
    (local.set $up (v128.const i64x2 0 0))
    (loop $carry
      (local.set $sum (i64x2.add (v128.load offset=0x500 (local.get $j)) (local.get $up)))
      (local.set $up (i64x2.shr_u (local.get $sum) (i32.const 51)))
      (v128.store (i32.add (local.get $to) (local.get $j))
        (f64x2.sub
          (v128.or (v128.and (local.get $sum) (v128.load (i32.const 0xf20))) (v128.load (i32.const 0xf00)))
          (v128.load (i32.const 0xf00))))
      (br_if $carry (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 16))) (i32.const 336)))))

  ;; The powers: by four squarings and a product for each digit, whatever the digit is.
  (func (export "power")
    (local $at i32) (local $digit i32) (local $j i32) (local $left i32)
    (local $wanted v128) (local $number v128) (local $found v128)
    (local.set $at (i32.const 0x12a0))
    (loop $fill
      (call $multiply (local.get $at) (i32.sub (local.get $at) (i32.const 336)) (i32.const 0x1150))
      (br_if $fill (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 336))) (i32.const 0x2500))))
    (memory.copy (i32.const 0xb00) (i32.const 0x1000) (i32.const 336))
    (local.set $digit (i32.const 0x2800))
    (loop $nextDigit
      (call $multiply (i32.const 0xb00) (i32.const 0xb00) (i32.const 0xb00))
      (call $multiply (i32.const 0xb00) (i32.const 0xb00) (i32.const 0xb00))
      (call $multiply (i32.const 0xb00) (i32.const 0xb00) (i32.const 0xb00))
      (call $multiply (i32.const 0xb00) (i32.const 0xb00) (i32.const 0xb00))
      ;; All powers are read, and the one that is wanted is kept: caches must not tell which (CVE-2005-0109).
      (local.set $wanted (v128.load (local.get $digit)))
      (local.set $j (i32.const 0))
      (loop $limbs
        (local.set $found (v128.const i64x2 0 0))
        (local.set $number (v128.const i64x2 0 0))
        (local.set $at (i32.add (local.get $j) (i32.const 0x1000)))
        (local.set $left (i32.const 16))
        (loop $powers
          (local.set $found
            (v128.or
              (local.get $found)
              (v128.and
                (v128.load (local.get $at))
                (i64x2.eq (local.get $number) (local.get $wanted)))))
          (local.set $number (i64x2.add (local.get $number) (v128.const i64x2 1 1)))
          (local.set $at (i32.add (local.get $at) (i32.const 336)))
          (br_if $powers (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (v128.store offset=0xd00 (local.get $j) (local.get $found))
        (br_if $limbs (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 16))) (i32.const 336))))
      (call $multiply (i32.const 0xb00) (i32.const 0xb00) (i32.const 0xd00))
      (br_if $nextDigit
        (i32.lt_u (local.tee $digit (i32.add (local.get $digit) (i32.const 16))) (i32.const 0x3800))))
    ;; Out of Montgomery's form.
    (call $multiply (i32.const 0xb00) (i32.const 0xb00) (i32.const 0x900))))
