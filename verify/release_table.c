/* release_table.c - what was published: size and SHA-256 of every file.
 *
 * Source: the Git LFS objects and files of the publisher's repositories on Hugging Face at these
 * revisions.  Not known are the digests of original/ and metal/ of gpt-oss-120b. */
#include "verify/release.h"

// clang-format off
static const struct release_file gpt_oss_20b[] = {
    { "LICENSE", 11357, "58d1e17ffe5109a7ae296caafcadfdbe6a7d176f0bc4ab01e12a689b0499d8bd", false },
    { "USAGE_POLICY", 200, "d6387ef7985019c45db8d9801e6ac5fd9f98f02b9f1c56f8c5af80c3e8f385d0", false },
    { "chat_template.jinja", 16738, "a4c9919cbbd4acdd51ccffe22da049264b1b73e59055fa58811a99efbd7c8146", false },
    { "config.json", 1806, "3a2a26ded679375b7928ddeca59764df7cea83220c1961035f6d6e232659e9ce", false },
    { "generation_config.json", 177, "f9970ada892d2d1f72e3ed0a6535ccebadd11897318794ca671d8c7014c957da", false },
    { "generation_config.json", 165, "199566674b96510c3b9a1141b494223a86a3ff83097e2c2f259c4d94fafc5847", true },
    { "model-00000-of-00002.safetensors", 4792272488, "16d0f997dcfc4462089d536bffe51b4bcea2f872f5c430be09ef8ed392312427", false },
    { "model-00001-of-00002.safetensors", 4798702184, "4fbe328ab445455d6f58dc73852b85873bd626986310abd91cd4d2ce3245eaea", false },
    { "model-00002-of-00002.safetensors", 4170342232, "a18106b209e9ab35c3406db4f6f12a927364a058b21e9d1373d682e20674b303", false },
    { "model.safetensors.index.json", 36355, "0e085b977c4c9942f85938828e8c989ed7d5cdabf852e4da6a67c116cd502cd1", false },
    { "special_tokens_map.json", 98, "dd5e191d20c12d2fee1da5bae14ca1db0f5f4215300af691f23cdee97120a293", false },
    { "tokenizer.json", 27868174, "0614fe83cadab421296e664e1f48f4261fa8fef6e03e63bb75c20f38e37d07d3", false },
    { "tokenizer_config.json", 4200, "9279e942392b742d633c7adbb89ebe002c98399db8926a7af5125c726f404070", false },
    { "original/config.json", 376, "317522155fc243327ee341857d0c752d0094a0817e0e9aee2890d5ad8e009e04", false },
    { "original/dtypes.json", 13082, "566c9e6aded8957f41f1589cabaf73e39f2d1fcda3351d63efdfb7e9e78d376b", false },
    { "original/model.safetensors", 13761300984, "3340a61d1a0391e8c5b5d3463d18d4c48129a84bbc04a554c762c99020aa06ed", false },
    { "metal/model.bin", 13750886400, "725b7f996b5a226d922f034a731aefc398652f670dcafc2efd78620509a0fef1", false },
};

static const struct release_file gpt_oss_120b[] = {
    { "LICENSE", 11357, "58d1e17ffe5109a7ae296caafcadfdbe6a7d176f0bc4ab01e12a689b0499d8bd", false },
    { "USAGE_POLICY", 201, "fc48d386a7a7ff8b066f743cfe62df683ab16892450f5bb7357bb4de261cd037", false },
    { "chat_template.jinja", 16738, "a4c9919cbbd4acdd51ccffe22da049264b1b73e59055fa58811a99efbd7c8146", false },
    { "config.json", 2089, "933aeb666a3fd851133ddd7686414f369bc564c4185fb5704416550879f10566", false },
    { "generation_config.json", 177, "f9970ada892d2d1f72e3ed0a6535ccebadd11897318794ca671d8c7014c957da", false },
    { "model-00000-of-00014.safetensors", 4625017896, "695218884684c611fe08a74751ee443f971e9bd9bc062edba822da3fe45969b7", false },
    { "model-00001-of-00014.safetensors", 4115586736, "a881aa5f561b26a22b14a8262aa61849ace349ffd73d74769e030ac90a1fcf8a", false },
    { "model-00002-of-00014.safetensors", 4625017888, "022478dd04398c5bdb545a5be0a6437ecc2eb53d1dbd29edafcfff4b3ddf0a41", false },
    { "model-00003-of-00014.safetensors", 4115586752, "47aee9e7b9d5bedb215042c01ccededd9bd9c30b0dddea862dc2506b9d6c74de", false },
    { "model-00004-of-00014.safetensors", 4625017896, "f6c2752acda607b1d5ca52df9e75c1b9b2761e6875ff10c9bd6ddac473c0262e", false },
    { "model-00005-of-00014.safetensors", 4115586696, "0c8dd401544c31cb93b8459eee7da20ea2a07626a59455d7d92b85257df9b46c", false },
    { "model-00006-of-00014.safetensors", 4625017856, "28d839f2e027985a8b14e45f2323798862eddb7770ee9800ea6b7c803abee489", false },
    { "model-00007-of-00014.safetensors", 4060267176, "c8958c5f183c04f6ea959cfd90562b5128124154b2bbf979b8a22b9405b30ed8", false },
    { "model-00008-of-00014.safetensors", 4625017896, "bf1f2a88868ffc37d520dcf77d26f0e823710b5e682d473ff10f6974fa3b7517", false },
    { "model-00009-of-00014.safetensors", 4170906304, "f72d34a4004241b45c332b61f8ffa124e9a913bc1ab442b66e717d3e94e741ce", false },
    { "model-00010-of-00014.safetensors", 4625017896, "f48c867c2cb0a44bfc2f8768cb98e4aec9a350946fceacfebdcad5d32ad4a471", false },
    { "model-00011-of-00014.safetensors", 4115586752, "a06851b2cfd35f48722f823bc1ab8f7bcb4a878a5b8e975f4d3544f230454eeb", false },
    { "model-00012-of-00014.safetensors", 4064660808, "3af33667c307e20ae2a7648ea52653de46dd0171601ec5c696e47a2f5d5bf1e4", false },
    { "model-00013-of-00014.safetensors", 4625017896, "bcbcb74b043e071d1e05471d500d74dcf661175e00878ed302ccdf1801a75aef", false },
    { "model-00014-of-00014.safetensors", 4115586736, "54b1be1609696c307cc5ca117b1fa54feaddebffa04e9c2db117652a01964230", false },
    { "model.safetensors.index.json", 54511, "ede2655fdc05008561983b6e0829c600727c28d591e071077377059f03a6c00e", false },
    { "special_tokens_map.json", 98, "dd5e191d20c12d2fee1da5bae14ca1db0f5f4215300af691f23cdee97120a293", false },
    { "tokenizer.json", 27868174, "0614fe83cadab421296e664e1f48f4261fa8fef6e03e63bb75c20f38e37d07d3", false },
    { "tokenizer_config.json", 4200, "9279e942392b742d633c7adbb89ebe002c98399db8926a7af5125c726f404070", false },
};

const struct release releases[] = {
    { "gpt-oss-20b", "6cee5e81ee83917806bbde320786a8fb61efebee", gpt_oss_20b,
      sizeof gpt_oss_20b / sizeof *gpt_oss_20b },
    { "gpt-oss-120b", "b5c939de8f754692c1647ca79fbf85e8c1e70f8a", gpt_oss_120b,
      sizeof gpt_oss_120b / sizeof *gpt_oss_120b },
    { 0 },
};
// clang-format on
