/* For tests alone: wine before version 9 lacks the library from which programs made by
   Rust take the seeds of their hash tables, and nothing would start. The program itself
   asks bcrypt.dll for what has to be secret. */
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length)
{
    const ULONG most = 1 << 16;
    while (length > 0) {
        ULONG part = length < most ? (ULONG)length : most;
        if (!RtlGenRandom(buffer, part))
            return FALSE;
        buffer += part;
        length -= part;
    }
    return TRUE;
}
