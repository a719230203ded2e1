#include <stdio.h>

#include <wsdial.h>

int main(void)
{
    printf("compiled with %d, runs with %s (%d)\n", WS_VERSION_NUMBER, ws_version(), ws_version_number());
    return ws_version_number() < WS_VERSION_NUMBER;
}
