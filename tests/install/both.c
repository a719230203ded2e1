/* Two archives with Rust in them in one program. */

#include <wsdial.h>

int other_catches(void);

int main(void)
{
    ws_conn *conn = NULL;

    return other_catches() == 1 && ws_dial("ws://127.0.0.1:1/", NULL, 5000, &conn, NULL) == WS_E_CONNECT ? 0 : 1;
}
