# SPDX-License-Identifier: Apache-2.0
# Makes OUT (schemas.c, see core/schemas.h) from all ROOT/**/*.avsc. As numbers, not as a string literal: C
# compilers need not take literals longer than 4095 bytes.
file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/*.avsc)
list(SORT files)
set(texts "")
set(rows "")
set(n 0)
foreach(file ${files})
    file(READ ${ROOT}/${file} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," numbers "${hex}")
    string(APPEND texts "static const unsigned char text${n}[] = {${numbers}};\n")
    string(APPEND rows "    {\"${file}\", text${n}, sizeof text${n}},\n")
    math(EXPR n "${n} + 1")
endforeach()
file(WRITE ${OUT} "/* SPDX-License-Identifier: Apache-2.0 */
/* Made by core/embed.cmake from schemas/. */
#include \"core/schemas.h\"

${texts}
const struct schema_text schema_texts[] = {
${rows}    {0, 0, 0},
};
")
